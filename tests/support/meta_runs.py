"""Runs of a meta-agent put into a store by hand: what it was asked, wrote and got, as the test says."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.diagnostics import error
from engine.events import (
    Event,
    ModelCallFinished,
    ModelCallStarted,
    RoundFinished,
    RunFinished,
    RunStarted,
    WorkflowProposed,
)
from engine.models.base import Message
from engine.operators.sets import PAPER
from engine.problems import parse_problem
from engine.prompts import Experience, propose_messages, repair_messages
from engine.variants.proposal import diagnosis_of

CODE = """class Workflow:
    async def __call__(self, problem, entry_point):
        code = await self.custom_code_generate(problem=problem, entry_point=entry_point)
        return code["response"]"""
# Each has a skeleton of its own.
CODES = tuple(
    CODE.replace("        return", "        code = dict(code)\n" * n + "        return") for n in range(9)
)
FAULT = error("undefined-name", "the name x is not defined", 3, "define it")


@dataclass(frozen=True)
class Wrote:
    """One reply. `runs` says whether its workflow can run; `text` is the reply, where it is not as usual."""

    score: float | None = None
    code: str = CODE
    reasoning: str = "I think."
    runs: bool = True
    strict: bool = True
    flags: tuple[str, ...] = ()
    failed: str | None = None
    text: str | None = None

    @property
    def reply(self) -> str:
        return f"<graph>\n{self.code}\n</graph>" if self.text is None else self.text


def problem(name: str = "p", **fields: Any) -> dict[str, Any]:
    """A problem with a test in each split, as JSON."""
    tests = {
        "visible": ["assert f(1) == 2"],
        "val": ["assert f(20) == 21"],
        "test": ["assert f(300) == 301"],
    }
    whole = {"id": name, "prompt": f"Write f for {name}.", "entry_point": "f", "kind": "code", "tests": tests}
    return whole | {"answer": None, "metadata": {"benchmark": "bench"}} | fields


def meta_run(
    run_id: str,
    rounds: Sequence[Wrote | Sequence[Wrote]],
    *,
    of: dict[str, Any] | None = None,
    at: float = 1000.0,
    ended: bool = True,
    cut: bool = False,
    asked: list[Message] | None = None,
    **started: Any,
) -> list[Event]:
    """A run's events: for each round one reply, or several of which all but the last cannot run.

    With `cut` the last round has no end; without `ended` the run has none. `asked` is the prompt of every
    round in place of the engine's own.
    """
    of = of or problem()
    body = list(_body(rounds, of, cut, asked, started))
    if ended:
        scores = [w.score for r in rounds for w in _replies(r) if w.score is not None]
        body.append(_end(scores))
    return [
        dataclasses.replace(event, run_id=run_id, seq=seq, at=at + seq, mono=float(seq))
        for seq, event in enumerate(body)
    ]


def _replies(one: Wrote | Sequence[Wrote]) -> Sequence[Wrote]:
    return (one,) if isinstance(one, Wrote) else one


def _body(
    rounds: Sequence[Wrote | Sequence[Wrote]],
    of: dict[str, Any],
    cut: bool,
    asked: list[Message] | None,
    started: dict[str, Any],
) -> Iterator[Event]:
    values: dict[str, Any] = {
        "variant": "flowreasoner",
        "meta_agent": "teacher",
        "worker": "w",
        "seed": 1,
        "sandbox": "docker",
        "config": {"operators": "paper"},
    }
    yield RunStarted(problem=of, **(values | started))
    history: list[Experience] = []
    for number, replies in enumerate(map(_replies, rounds), 1):
        messages = asked or propose_messages(parse_problem(of, "test"), PAPER, history)
        for turn, wrote in enumerate(replies):
            yield from _reply(f"c{number}-{turn}", messages, wrote, number)
            messages = repair_messages(messages, wrote.reply, diagnosis_of([FAULT]))
        last = replies[-1]
        if cut and number == len(rounds):
            return
        feedback = f"Mean pass rate {last.score or 0.0:.2f} over 3 executions."
        yield RoundFinished(
            round=number,
            workflow_id=_workflow(last),
            score=last.score if last.runs else None,
            feedback=feedback,
        )
        history.append(Experience(number, last.code, "", "a change", last.score, feedback))


def _reply(call_id: str, messages: list[Message], wrote: Wrote, number: int) -> Iterator[Event]:
    sent = tuple({"role": m["role"], "content": m["content"]} for m in messages)
    yield ModelCallStarted(
        call_id=call_id, role="meta", model="teacher", step_id=None, messages=sent, params={}
    )
    yield ModelCallFinished(
        call_id=call_id,
        text=wrote.reply,
        reasoning=wrote.reasoning,
        finish="error" if wrote.failed else "stop",
        tokens_in=10,
        tokens_out=5,
        cost_usd=0.0,
        ttft_ms=1.0,
        wall_ms=2.0,
        flags=wrote.flags,
        error=wrote.failed,
    )
    yield WorkflowProposed(
        round=number,
        workflow_id=_workflow(wrote),
        code=wrote.code,
        prompts="",
        modification="a change",
        strict_ok=wrote.runs and wrote.strict,
        diagnostics=() if wrote.runs else (FAULT.to_json(),),
        repairs=() if wrote.strict else ({"code": "await", "message": "awaited", "line": 1},),
        graph={"nodes": [], "edges": []},
        complexity=3,
    )


def _workflow(wrote: Wrote) -> str | None:
    return f"wf{zlib.crc32(wrote.code.encode()):08x}" if wrote.runs else None


def _end(scores: list[float]) -> RunFinished:
    return RunFinished(
        status="passed" if scores and max(scores) == 1.0 else "failed",
        score=None,
        val_score=max(scores, default=None),
        answer="42",
        workflow_id=None,
        error=None,
        tokens_in=10,
        tokens_out=5,
        cost_usd=0.0,
        model_calls=1,
        steps=0,
        wall_ms=1.0,
    )
