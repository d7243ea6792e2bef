"""A model that refuses a call leaves the run without a score, unless the workflow lived with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import pytest

from engine.events import (
    EvaluationFinished,
    ModelCallFinished,
    ModelDelta,
    Notice,
    StepFinished,
    WorkflowFinished,
)
from engine.models.base import Completion, Delta, ErrorKind, Message, ModelError, Sampling, Spent
from engine.models.replay import ReplayModel, recorded_calls
from engine.run.context import RunConfig, Services
from engine.secrets import remember
from sandbox.pool import Pool
from tests.support.runs import GENERATE, RIGHT, completion, end, of, run_events
from tests.support.scripted import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")

CATCHES = completion(
    """
try:
    return (await self.custom_code_generate(problem=problem, entry_point=entry_point))["response"]
except Exception:
    return "def f(x):\\n    return 2 * x"
"""
)
CATCHES_AND_GIVES_UP = completion(
    """
try:
    return (await self.custom_code_generate(problem=problem, entry_point=entry_point))["response"]
except Exception:
    return None
"""
)
CATCHES_AND_CRASHES = completion(
    """
try:
    await self.custom_code_generate(problem=problem, entry_point=entry_point)
except Exception:
    pass
return 1 / 0
"""
)
ASKS_AGAIN = completion(
    """
for _ in range(3):
    try:
        return (await self.custom_code_generate(problem=problem, entry_point=entry_point))["response"]
    except Exception:
        continue
return None
"""
)


def refusing(kind: ErrorKind, spent: Spent = Spent()):  # type: ignore[no-untyped-def]  # noqa: B008
    return lambda *_: ModelError(kind, f"m at http://x: no ({kind})", spent)


@pytest.mark.parametrize("kind", ["refused", "context-length"])
@pytest.mark.parametrize("meta", [GENERATE, CATCHES_AND_GIVES_UP, CATCHES_AND_CRASHES, ASKS_AGAIN])
async def test_a_run_that_ends_without_an_answer_because_a_model_refused_is_an_error(
    sandbox: Pool, kind: ErrorKind, meta: str
) -> None:
    events = await run_events(sandbox, meta=meta, worker=refusing(kind))
    last = end(events)
    assert (last.status, last.score, last.error) == ("error", None, f"m at http://x: no ({kind})")
    # While it searches, the workflow may be to blame, and is told so.
    assert [e.split for e in of(events, EvaluationFinished)] == ["val"] * len(of(events, EvaluationFinished))
    assert {e.status for e in of(events, WorkflowFinished)} == {"error"}


@pytest.mark.parametrize("kind", get_args(ErrorKind))
@pytest.mark.parametrize("role", ["meta", "worker"])
async def test_what_only_the_call_meets_is_an_error_and_all_else_is_no_verdict(
    sandbox: Pool, kind: ErrorKind, role: str
) -> None:
    status = "error" if kind in ("context-length", "refused") else "infra"
    models: dict[str, Any] = {role: refusing(kind)}
    events = await run_events(sandbox, **models)
    last = end(events)
    assert (last.status, last.score, last.error) == (status, None, f"m at http://x: no ({kind})")

    # A replay of its record ends as it did.
    writes, works = (ReplayModel(name, recorded_calls(events, role=name)) for name in ("meta", "worker"))
    again = await run_events(sandbox, services=Services(writes, works, sandbox))
    assert (end(again).status, end(again).error) == (status, last.error)


@pytest.mark.parametrize("meta", [CATCHES, CATCHES_AND_GIVES_UP, ASKS_AGAIN])
async def test_no_workflow_can_catch_a_fault_of_the_set_up(sandbox: Pool, meta: str) -> None:
    events = await run_events(sandbox, meta=meta, worker=refusing("connection"))
    assert end(events).status == "infra"
    assert of(events, EvaluationFinished) == []
    assert {e.status for e in of(events, WorkflowFinished)} <= {"infra", "cancelled"}


async def test_an_answer_that_broke_off_is_none_but_stays_in_the_record(sandbox: Pool) -> None:
    pieces = Pieces([Delta("text", "def f(x): ret")], finish="cut", flags=("truncated",))
    services = Services(ScriptedModel("meta", GENERATE), pieces, sandbox)
    events = await run_events(sandbox, services=services, config=RunConfig(variant="vanilla", repeats=1))
    (call,) = of(events, ModelCallFinished)
    assert (call.text, call.flags, call.error_kind) == ("def f(x): ret", ("truncated",), "connection")
    assert call.error is not None and "broke off" in call.error
    assert (end(events).status, end(events).error) == ("infra", call.error)


async def test_a_vanilla_run_whose_only_call_is_refused_has_no_score(sandbox: Pool) -> None:
    config = RunConfig(variant="vanilla", repeats=2)
    events = await run_events(sandbox, worker=refusing("refused"), config=config)
    assert end(events).status == "error"
    assert of(events, EvaluationFinished) == []


async def test_a_workflow_that_catches_the_refusal_and_answers_is_scored(sandbox: Pool) -> None:
    events = await run_events(sandbox, meta=CATCHES, worker=refusing("refused"))
    assert (end(events).status, end(events).score) == ("passed", 1.0)


async def test_a_refusal_that_a_second_try_mends_is_no_matter(sandbox: Pool) -> None:
    calls = 0

    def answer(messages: Sequence[Message], sampling: Sampling) -> str | Exception:
        nonlocal calls
        calls += 1
        return ModelError("refused", "not this time") if calls % 2 else RIGHT

    events = await run_events(sandbox, meta=ASKS_AGAIN, worker=answer)
    assert end(events).status == "passed"


async def test_a_workflow_that_is_wrong_by_itself_fails_as_before(sandbox: Pool) -> None:
    events = await run_events(sandbox, meta=completion("return 1 / 0"), worker=RIGHT)
    assert end(events).status == "failed"


async def test_what_refused_calls_cost_is_in_the_run_its_step_and_its_events(sandbox: Pool) -> None:
    config = RunConfig(variant="vanilla", repeats=1)
    events = await run_events(sandbox, worker=refusing("refused", Spent(30, 12, 0.5)), config=config)
    (call,), (step,), last = of(events, ModelCallFinished), of(events, StepFinished), end(events)
    for told in (call, step, last):
        assert (told.tokens_in, told.tokens_out, told.cost_usd) == (30, 12, 0.5)


class Pieces(ScriptedModel):
    """Streams these pieces, and completes with what they make."""

    def __init__(self, pieces: Sequence[Delta], finish: str = "stop", flags: tuple[str, ...] = ()) -> None:
        super().__init__("worker", "")
        self._pieces, self._finish, self._flags = pieces, finish, flags

    async def stream(self, messages, sampling):  # type: ignore[no-untyped-def, override]
        self.calls.append(list(messages))
        for piece in self._pieces:
            yield piece
        texts = {c: "".join(p.text for p in self._pieces if p.channel == c) for c in ("text", "reasoning")}
        yield Completion(texts["text"], texts["reasoning"], self._finish, flags=self._flags)


@pytest.mark.parametrize(
    ("flags", "finish", "words"),
    [
        (
            ("empty", "only-reasoning"),
            "stop",
            "held only reasoning and no answer; it ended with 'stop': I think it is B",
        ),
        (("empty", "only-reasoning", "truncated"), "length", "it ended with 'length': I think"),
        (("truncated", "default-limit"), "length", "the limit that Transformers models have here"),
        (("truncated", "repetition"), "length", "cut off where it did nothing but repeat itself"),
        (("unknown-finish",), "gave_up", "may not be whole; it ended with 'gave_up'"),
        (("empty",), "tool_calls", "came back empty; it ended with 'tool_calls'"),
    ],
)
async def test_suspect_replies_say_why(
    sandbox: Pool, flags: tuple[str, ...], finish: str, words: str
) -> None:
    worker = Pieces([Delta("reasoning", "I think it is B")], flags=flags, finish=finish)
    services = Services(ScriptedModel("meta", GENERATE), worker, sandbox)
    events = await run_events(sandbox, services=services, config=RunConfig(variant="vanilla", repeats=1))
    assert any(words in n.text for n in of(events, Notice)), [n.text for n in of(events, Notice)]


async def test_a_key_in_an_answer_is_in_no_event_even_in_pieces(sandbox: Pool) -> None:
    key = 'zq-canary"9876543210'
    remember(key)
    pieces = [Delta("text", c) for c in f"{RIGHT}\n{key} and {key!r}"] + [Delta("reasoning", key[:5])]
    services = Services(ScriptedModel("meta", GENERATE), Pieces(pieces), sandbox)
    events = await run_events(sandbox, services=services, config=RunConfig(variant="vanilla", repeats=1))
    assert "9876543210" not in repr(events)
    assert "9876543210" not in "".join(e.text for e in of(events, ModelDelta))
    assert "<key> and '<key>'" in "".join(e.text for e in of(events, ModelDelta))
    assert end(events).status == "passed"


async def test_half_a_character_in_a_prompt_reaches_no_model(sandbox: Pool) -> None:
    worker = Pieces([Delta("text", RIGHT)])
    services = Services(ScriptedModel("meta", GENERATE), worker, sandbox)
    meta = completion('return (await self.custom(input="a \\ud800 b", instruction="c"))["response"]')
    await run_events(sandbox, services=Services(ScriptedModel("meta", meta), worker, services.sandbox))
    assert worker.calls
    for messages in worker.calls:
        "".join(m["content"] for m in messages).encode("utf-8")
