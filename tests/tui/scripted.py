"""A workbench that plays a script: real events, no models, no sandbox."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import events as ev
from engine.events import Event
from engine.experiments.standing import Standing
from engine.host_config import Host
from engine.problems import Problem, Tests
from tui.notices import Notices
from tui.service.requests import ExperimentRequest, NewRun, Placement

RUN_ID = "01K0SCRIPTED0000000000RUN1"
STARTED_AT = 1_780_000_000.0

PROBLEM = Problem(
    id="example/median",
    prompt="Write a function `median(values)` that returns the median of a non-empty list of numbers.\n\n"
    "For an even number of values it is the mean of the two in the middle. The list must not be changed.",
    entry_point="median",
    kind="code",
    tests=Tests(
        visible=("assert median([3, 1, 2]) == 2", "assert median([5]) == 5"),
        val=("assert median([4, 1, 3, 2]) == 2.5", "assert median([-1, -5]) == -3"),
        test=("assert median([7, 7, 7, 1]) == 7", "assert median(list(range(101))) == 50"),
    ),
)

CODE = '''class Workflow:
    async def __call__(self, problem, entry_point):
        """Two drafts, the better one revised until the visible tests pass."""
        drafts = await asyncio.gather(
            self.custom_code_generate(problem=problem, entry_point=entry_point),
            self.custom_code_generate(problem=problem, entry_point=entry_point),
        )
        solution = await self.sc_ensemble(solutions=drafts, problem=problem)
        for _ in range(3):
            result = await self.test(problem=problem, solution=solution, test_loop=0)
            if result["result"]:
                break
            review = await self.review(solution=solution, problem=problem)
            solution = await self.revise(solution=solution, feedback=review["feedback"])
        return solution
'''

GRAPH: dict[str, Any] = {
    "nodes": [
        {
            "id": "n0",
            "attribute": "custom_code_generate",
            "operator": "CustomCodeGenerate",
            "line": 5,
            "end_line": 5,
            "in_loop": False,
            "conditional": False,
            "concurrent": True,
        },
        {
            "id": "n1",
            "attribute": "custom_code_generate",
            "operator": "CustomCodeGenerate",
            "line": 6,
            "end_line": 6,
            "in_loop": False,
            "conditional": False,
            "concurrent": True,
        },
        {
            "id": "n2",
            "attribute": "sc_ensemble",
            "operator": "ScEnsemble",
            "line": 8,
            "end_line": 8,
            "in_loop": False,
            "conditional": False,
            "concurrent": False,
        },
        {
            "id": "n3",
            "attribute": "test",
            "operator": "Test",
            "line": 10,
            "end_line": 10,
            "in_loop": True,
            "conditional": False,
            "concurrent": False,
        },
        {
            "id": "n4",
            "attribute": "review",
            "operator": "Review",
            "line": 13,
            "end_line": 13,
            "in_loop": True,
            "conditional": True,
            "concurrent": False,
        },
        {
            "id": "n5",
            "attribute": "revise",
            "operator": "Revise",
            "line": 14,
            "end_line": 14,
            "in_loop": True,
            "conditional": True,
            "concurrent": False,
        },
    ],
    "edges": [
        {"source": "n0", "target": "n2", "kind": "next"},
        {"source": "n1", "target": "n2", "kind": "next"},
        {"source": "n2", "target": "n3", "kind": "next"},
        {"source": "n3", "target": "n4", "kind": "branch"},
        {"source": "n4", "target": "n5", "kind": "next"},
        {"source": "n5", "target": "n3", "kind": "loop"},
    ],
    "truncated": False,
}

REASONING = (
    "The query asks for one small function with an edge case: an even count needs the mean of the two "
    "middle values. A single draft often forgets that or sorts in place, so two drafts and an ensemble "
    "are cheap insurance.\n\nThe visible tests tell a wrong draft from a right one, so test first and only "
    "then spend tokens on review and revision. Three turns are enough."
)
MODIFICATION = "Draft twice in parallel, keep the better draft, revise it while visible tests fail."
SOLUTION = """def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
"""
WRONG = "def median(values):\n    values.sort()\n    return values[len(values) // 2]\n"


def verdict(*statuses: str, stdout: str = "", messages: Sequence[str] = ()) -> dict[str, Any]:
    """A verdict's JSON with one test per status."""
    tests = [
        {
            "index": i,
            "status": s,
            "reason": None if s == "passed" else "assert",
            "message": messages[i] if i < len(messages) else "",
        }
        for i, s in enumerate(statuses)
    ]
    worst = next((s for s in statuses if s != "passed"), "passed")
    return {
        "status": worst,
        "reason": None,
        "message": "",
        "tests": tests,
        "mode": "split",
        "sandbox": "docker",
        "stdout": stdout,
        "stderr": "",
        "usage": {"wall_ms": 84.0},
    }


class Script:
    """Collects events with increasing numbers and times."""

    def __init__(self, run_id: str = RUN_ID, started_at: float = STARTED_AT) -> None:
        self.events: list[Event] = []
        self._run_id, self._at, self._mono = run_id, started_at, 0.0
        self._calls = 0

    def add(self, event: Event, after: float = 0.1) -> None:
        self._mono += after
        self.events.append(
            dataclasses.replace(
                event,
                run_id=self._run_id,
                seq=len(self.events),
                at=self._at + self._mono,
                mono=round(self._mono, 3),
            )
        )

    def start(self, problem: Problem = PROBLEM, sandbox: str = "docker", rounds: int = 3) -> None:
        self.add(
            ev.RunStarted(
                problem=problem.to_json(),
                variant="flowreasoner",
                meta_agent="pocket-meta",
                worker="pocket-worker",
                seed=0,
                sandbox=sandbox,
                config={"rounds": rounds, "repeats": 3},
            )
        )

    def call(
        self,
        role: str,
        text: str,
        *,
        reasoning: str = "",
        step_id: str | None = None,
        prompt: str = "Do it.",
        finish: bool = True,
        retry: str = "",
        flags: tuple[str, ...] = (),
        piece: int = 24,
    ) -> str:
        self._calls += 1
        call_id = f"call-{self._calls}"
        messages = ({"role": "system", "content": "You are careful."}, {"role": "user", "content": prompt})
        self.add(
            ev.ModelCallStarted(
                call_id=call_id,
                role="meta" if role == "meta" else "worker",
                model=f"pocket-{role}",
                step_id=step_id,
                messages=messages,
                params={"temperature": 0.2, "seed": 0},
            )
        )
        if retry:
            self.add(ev.ModelRetry(call_id=call_id, attempt=2, reason=retry, wait_s=1.5))
        for channel, whole in (("reasoning", reasoning), ("text", text)):
            for at in range(0, len(whole), piece):
                delta = ev.ModelDelta(
                    call_id=call_id,
                    channel="reasoning" if channel == "reasoning" else "text",
                    text=whole[at : at + piece],
                )
                self.add(delta, after=0.05)
        if finish:
            self.add(
                ev.ModelCallFinished(
                    call_id=call_id,
                    text=text,
                    reasoning=reasoning,
                    finish="stop",
                    tokens_in=310,
                    tokens_out=182,
                    cost_usd=0.0,
                    ttft_ms=42.0,
                    wall_ms=1840.0,
                    flags=flags,
                )
            )
        return call_id

    def propose(self, round_number: int, *, repaired: bool = False, invalid: bool = False) -> None:
        diagnostics: tuple[dict[str, Any], ...] = ()
        repairs: tuple[dict[str, Any], ...] = ()
        if repaired or invalid:
            diagnostics = (
                {
                    "code": "missing-await",
                    "severity": "error",
                    "message": "self.sc_ensemble is not awaited",
                    "line": 8,
                    "fix": "Write await self.sc_ensemble(…)",
                },
            )
        if repaired:
            repairs = ({"code": "add-await", "message": "added the missing await", "line": 8},)
        self.add(
            ev.WorkflowProposed(
                round=round_number,
                workflow_id=None if invalid else f"wf{round_number}a7c31",
                code=CODE,
                prompts="",
                modification=MODIFICATION,
                strict_ok=not (repaired or invalid),
                diagnostics=diagnostics,
                repairs=repairs,
                graph=GRAPH,
                complexity=41,
            )
        )

    def execution(self, execution_id: str, round_number: int, repeat: int = 1, purpose: str = "val") -> None:
        self.add(
            ev.WorkflowStarted(
                execution_id=execution_id,
                workflow_id=f"wf{round_number}a7c31",
                round=round_number,
                repeat=repeat,
                purpose="test" if purpose == "test" else "val",
                container_id="c0ffee12",
            )
        )

    def step(
        self,
        execution_id: str,
        index: int,
        operator: str,
        line: int,
        *,
        answer: str = "",
        status: str = "ok",
        error: str | None = None,
        code: dict[str, Any] | None = None,
        finish: bool = True,
        retry: str = "",
    ) -> None:
        step_id = f"{execution_id}-{index}"
        self.add(
            ev.StepStarted(
                step_id=step_id,
                execution_id=execution_id,
                index=index,
                operator=operator,
                line=line,
                key=f"key{index}",
                inputs={"problem": PROBLEM.prompt, "entry_point": "median"},
            )
        )
        if answer:
            self.call("worker", answer, step_id=step_id, prompt=PROBLEM.prompt, finish=finish, retry=retry)
        if code is not None:
            self.add(ev.CodeExecuted(step_id=step_id, purpose="visible-tests", code=SOLUTION, verdict=code))
        if finish:
            self.add(
                ev.StepFinished(
                    step_id=step_id,
                    status=status,
                    output={"response": answer} if answer else {"passed": not error},
                    error=error,
                    reused=False,
                    wall_ms=1200.0 + 100 * index,
                    cpu_ms=14.0,
                    tokens_in=310 if answer else 0,
                    tokens_out=182 if answer else 0,
                    cost_usd=0.0,
                )
            )

    def finish_execution(self, execution_id: str, status: str = "ok", error: str | None = None) -> None:
        self.add(
            ev.WorkflowFinished(
                execution_id=execution_id,
                status=status,
                answer=None if error else SOLUTION,
                error=error,
                stdout="drafts: 2\n",
                wall_ms=6400.0,
                cpu_ms=60.0,
            )
        )

    def score(
        self,
        execution_id: str,
        round_number: int,
        split: str,
        statuses: Sequence[str],
        *,
        strict: bool = True,
        repeat: int = 1,
        infra: bool = False,
    ) -> None:
        passed = sum(s == "passed" for s in statuses)
        self.add(
            ev.EvaluationFinished(
                execution_id=execution_id,
                workflow_id=f"wf{round_number}a7c31",
                split="test" if split == "test" else "val",
                repeat=repeat,
                score=None if infra else passed / len(statuses),
                passed=passed,
                total=len(statuses),
                strict=strict,
                tests_written_by="author",
                verdict=verdict(*statuses, messages=["expected 2.5, got 3"]),
            )
        )

    def end(self, status: str = "passed", score: float | None = 1.0, error: str | None = None) -> None:
        self.add(
            ev.RunFinished(
                status=status,
                score=score,
                val_score=1.0 if score else 0.5,
                answer=SOLUTION,
                workflow_id="wf2a7c31",
                error=error,
                tokens_in=6200,
                tokens_out=3640,
                cost_usd=0.0,
                model_calls=20,
                steps=18,
                wall_ms=41_000.0,
            )
        )


def completion() -> str:
    return f"<modification>{MODIFICATION}</modification>\n<graph>\n{CODE}</graph>\n<prompt></prompt>"


def _round(script: Script, number: int, *, good: bool, repaired: bool = False) -> None:
    script.add(ev.RoundStarted(round=number))
    script.call("meta", completion(), reasoning=REASONING, prompt=PROBLEM.prompt)
    script.propose(number, repaired=repaired)
    for repeat in (1, 2):
        name = f"r{number}e{repeat - 1}"
        script.execution(name, number, repeat)
        script.step(
            name,
            0,
            "CustomCodeGenerate",
            5,
            answer=WRONG,
            retry="429 Too Many Requests" if repeat == 1 else "",
        )
        script.step(name, 1, "CustomCodeGenerate", 6, answer=SOLUTION if good else WRONG)
        script.step(name, 2, "ScEnsemble", 8, answer="B")
        script.step(name, 3, "Test", 10, code=verdict("passed", "passed" if good else "failed"))
        script.finish_execution(name)
        script.score(
            name,
            number,
            "val",
            ["passed", "passed"] if good else ["failed", "passed"],
            strict=not repaired,
            repeat=repeat,
        )
    score = 1.0 if good else 0.5
    feedback = "" if good else "1 of 2 val tests failed: expected 2.5, got 3"
    script.add(ev.RoundFinished(round=number, workflow_id=f"wf{number}a7c31", score=score, feedback=feedback))


def passing_run(run_id: str = RUN_ID, started_at: float = STARTED_AT) -> list[Event]:
    """Two rounds: a repaired workflow that fails, then one that passes its held-back tests."""
    script = Script(run_id, started_at)
    script.start()
    _round(script, 1, good=False, repaired=True)
    _round(script, 2, good=True)
    script.execution("final", 2, 1, "test")
    script.step("final", 0, "CustomCodeGenerate", 5, answer=SOLUTION)
    script.step("final", 1, "Test", 10, code=verdict("passed", "passed"))
    script.finish_execution("final")
    script.score("final", 2, "test", ["passed", "passed"])
    script.end()
    return script.events


def failing_run(run_id: str = RUN_ID, started_at: float = STARTED_AT) -> list[Event]:
    """An operator raises, the sandbox is lost once, and the answer is wrong in the end."""
    script = Script(run_id, started_at)
    script.start(sandbox="bwrap", rounds=1)
    script.add(ev.Notice(level="warning", text="Ran under bubblewrap: memory and processes are not limited."))
    script.add(ev.RoundStarted(round=1))
    script.call("meta", completion(), reasoning=REASONING, flags=("truncated",))
    script.propose(1)
    script.execution("e0", 1)
    script.step("e0", 0, "CustomCodeGenerate", 5, answer=WRONG)
    script.step(
        "e0", 1, "ScEnsemble", 8, answer="?", status="error", error="Ensemble: no letter in the answer '?'"
    )
    script.finish_execution("e0", "error", "Ensemble: no letter in the answer '?'")
    script.execution("e1", 1, 2)
    script.step(
        "e1", 0, "CustomCodeGenerate", 5, answer=WRONG, status="infra", error="the container was lost"
    )
    script.finish_execution("e1", "infra", "the container was lost")
    script.score("e1", 1, "val", ["infra", "infra"], infra=True, repeat=2)
    script.score("e0", 1, "test", ["failed", "passed"])
    script.end("failed", 0.5, "1 of 2 tests failed")
    return script.events


def mid_stream_run() -> list[Event]:
    """Stops while the second round's workflow is half written."""
    script = Script()
    script.start()
    _round(script, 1, good=False)
    script.add(ev.RoundStarted(round=2))
    text = completion()
    script.call("meta", text[: text.index("result = await") + 40], reasoning=REASONING, finish=False)
    return script.events


def long_run(steps: int) -> list[Event]:
    """One execution with many steps, each with a call."""
    script = Script()
    script.start()
    script.add(ev.RoundStarted(round=1))
    script.execution("e", 1)
    for index in range(steps):
        script.step("e", index, "CustomCodeGenerate", 5, answer=SOLUTION if index % 100 else WRONG)
    script.finish_execution("e")
    script.end()
    return script.events


def ended(script: Sequence[Event], status: str) -> Event:
    """The end of a run that had come as far as `script`."""
    last, before = passing_run()[-1], script[-1]
    return dataclasses.replace(last, status=status, seq=before.seq + 1, at=before.at + 1)


@dataclass
class ScriptedSettings:
    keymap: dict[str, str] = field(default_factory=dict)
    theme: str = "flowreasoner"
    notices: Notices = "off"
    variant: str = "flowreasoner"
    meta_agent: str = "pocket-meta"
    worker: str = "pocket-worker"
    data: Path | None = None
    docker_hosts: tuple[str, ...] = ()
    hosts: dict[str, Host] = field(default_factory=dict)


class ScriptedWorkbench:
    """Plays `script` for every run. With `hold`, the run stops after it until cancelled; `pace`
    seconds pass between events (none by default: tests wait for states, not for time).
    """

    has_settings = True

    def __init__(
        self,
        store_path: Path,
        script: Iterable[Event] = (),
        *,
        hold: bool = False,
        pace: float = 0.0,
        note: str = "Docker",
        error: Exception | None = None,
        settings: ScriptedSettings | None = None,
    ) -> None:
        self.store_path = store_path
        self.settings = settings or ScriptedSettings()
        self.sandbox_note = note
        self.requests: list[Any] = []
        self.acts: list[tuple[str, dict[str, Any]]] = []
        self.cancelled = asyncio.Event()
        self.closed = False
        self.why_not = ""  # what `check` says
        self.checked: list[tuple[str, ...]] = []
        self.pull_first: tuple[str, float] | None = None
        self.served: list[tuple[str, str]] = []
        self.may_answer = threading.Event()  # before that, `served_models` waits
        self.may_answer.set()
        self._script, self._hold, self._pace, self._error = list(script), hold, pace, error

    @property
    def theme(self) -> str:
        return self.settings.theme

    def default_request(self) -> NewRun:
        return NewRun(
            problem=PROBLEM,
            variant="flowreasoner",
            meta_agent="pocket-meta",
            worker="pocket-worker",
            rounds=3,
            seed=0,
        )

    def models(self) -> list[tuple[str, str]]:
        return [("pocket-meta", "embedded"), ("pocket-worker", "embedded"), ("far/large", "endpoint")]

    def served_models(self) -> list[tuple[str, str]]:
        self.may_answer.wait()
        return self.served

    def first_pull(self) -> tuple[str, float] | None:
        return self.pull_first

    async def check(self, *models: str) -> str:
        self.checked.append(models)
        return self.why_not

    async def start(self, request: Any) -> str:
        self.requests.append(request)
        if self._error is not None:
            raise self._error
        return self._script[0].run_id

    async def follow(self, run_id: str, after: int = -1) -> AsyncGenerator[Event, None]:
        for event in self._script:
            yield event
            if self._pace:
                await asyncio.sleep(self._pace)
        if self._hold:
            await self.cancelled.wait()
            yield ended(self._script, "cancelled")

    async def act(self, run_id: str, action: str, **args: Any) -> dict[str, Any]:
        self.acts.append((action, args))
        if action == "cancel":
            self.cancelled.set()
        return {}

    async def live(self) -> list[str]:
        return []

    async def estimate(self, request: ExperimentRequest) -> list[dict[str, Any]]:
        raise NotImplementedError

    async def start_experiment(self, request: ExperimentRequest, placement: Placement) -> str:
        raise NotImplementedError

    async def experiments(self, left_out: Callable[[str], object]) -> list[Standing]:
        return []

    async def act_on_experiment(self, name: str, action: str) -> Standing:
        raise NotImplementedError

    async def aclose(self) -> None:
        self.closed = True
