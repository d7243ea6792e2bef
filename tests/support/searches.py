"""Running searches with scripted models in a real sandbox, and interrupting them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.events import Event, ModelCallFinished, RunFinished
from engine.ids import derived_seed
from engine.models.base import Message
from engine.problems import Problem, Tests
from engine.run.context import RunConfig, RunContext, Services
from engine.runner import Run, workflow_job
from engine.search import SearchContext, Trial
from engine.tasks import Task
from engine.variants import Result, load_variant
from engine.workflows import Workflow
from sandbox.types import Sandbox
from tests.support.scripted import Answer, ScriptedModel

SECRET = "9753124680"  # in every hidden test and reference: no model may ever see it


def adder(name: str, amount: int) -> Problem:
    """A problem whose function adds `amount`, with hidden tests and a reference that hold SECRET."""
    return Problem(
        name,
        f"Write `{name}(x)` that adds {amount} to x.",
        name,
        "code",
        Tests(
            (f"assert {name}(1) == {1 + amount}",),
            (f"assert {name}({SECRET}) == {int(SECRET) + amount}",),
            (f"assert {name}({SECRET} + 1) == {int(SECRET) + 1 + amount}",),
        ),
        metadata={"reference": f"def {name}(x):  # {SECRET}\n    return x + {amount}"},
    )


PROBLEMS = (adder("one", 1), adder("two", 2))
TASK = Task("adders", "Python functions that add a number.", "code", PROBLEMS)


def adds(messages: Sequence[Message], _: Any = None) -> str:
    """A worker that solves a problem where it is told to be "careful", and is off by one otherwise."""
    text = messages[-1]["content"]
    name = next((p.entry_point for p in PROBLEMS if f"`{p.entry_point}" in text), "one")
    amount = {"one": 1, "two": 2}[name or "one"] if "careful" in text else 0
    return f"```python\ndef {name}(x):\n    return x + {amount}\n```"


class MemoryJournal:
    """A journal that lasts as long as its process."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def once(self, key: str, make: Callable[[], Awaitable[Any]]) -> Any:
        if key not in self.values:
            self.values[key] = await make()
        return self.values[key]


class Interrupted(Exception):  # noqa: N818  it is no error
    """The search was stopped from outside."""


class InterruptingJournal(MemoryJournal):
    """Raises Interrupted once, just before or just after the step `key` is recorded."""

    def __init__(self, values: dict[str, Any], key: str, *, after: bool) -> None:
        super().__init__()
        self.values = values
        self._key, self._after = key, after

    async def once(self, key: str, make: Any) -> Any:
        if key == self._key and key not in self.values and not self._after:
            raise Interrupted(key)
        fresh = key not in self.values
        value = await super().once(key, make)
        if key == self._key and fresh and self._after:
            raise Interrupted(key)
        return value


@dataclass
class Lab:
    """A task, models, and what came of searching. Trials last, as an experiment's do."""

    sandbox: Sandbox
    meta: Answer | str
    worker: Answer | str = adds
    task: Task = TASK
    config: RunConfig = field(default_factory=RunConfig)
    trials: dict[tuple[str, str, int], Trial] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    trial_events: list[Event] = field(default_factory=list)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    prices: Mapping[str, float] = field(default_factory=dict)
    fail_after: int | None = None

    def __post_init__(self) -> None:
        self.services = Services(
            ScriptedModel("meta", self.meta), ScriptedModel("worker", self.worker), self.sandbox
        )

    async def evaluate(
        self,
        label: str,
        workflow: Workflow | None,
        *,
        problems: Sequence[Problem] | None = None,
        repeats: int = 1,
        found: Mapping[str, Any] | None = None,
    ) -> list[Trial]:
        wanted = [(p, r) for p in problems or self.task.problems for r in range(1, repeats + 1)]
        return [await self._trial(label, workflow, p, r, found) for p, r in wanted]

    async def _trial(
        self, label: str, workflow: Workflow | None, problem: Problem, repeat: int, found: Any
    ) -> Trial:
        key = (label, problem.id, repeat)
        if key not in self.trials:
            if self.fail_after is not None and len(self.trials) >= self.fail_after:
                self.fail_after = None
                raise Interrupted(label)
            config = replace(self.config, repeats=1, seed=derived_seed(self.config.seed, *key))
            job = workflow_job(workflow) if workflow else None
            run = Run(problem, config, self.services, job=job, found=found)
            events = [e async for e in run.events()]
            self.trial_events += events
            end = events[-1]
            assert isinstance(end, RunFinished)
            self.trials[key] = Trial(
                run.id,
                problem.id,
                repeat,
                end.status,
                end.score,
                end.answer,
                end.error,
                end.tokens_in,
                end.tokens_out,
                self._cost(events),
            )
        return self.trials[key]

    def _cost(self, events: list[Event]) -> float:
        """What its calls cost, at the prices given per output token."""
        tokens = sum(e.tokens_out for e in events if isinstance(e, ModelCallFinished))
        return self.prices.get("worker", 0.0) * tokens

    async def search(self, journal: MemoryJournal | None = None) -> dict[str, Any]:
        """One search in a run of its own. Raises Interrupted when its journal does."""
        search = load_variant(self.config.variant).search
        assert search is not None
        found: list[dict[str, Any]] = []
        stopped: list[Interrupted] = []

        async def job(context: RunContext) -> Result:
            try:
                context_ = SearchContext(context, self.task, journal or self.journal, self.evaluate)
                found.append(await search(context_))
            except Interrupted as error:
                stopped.append(error)
            return Result(None, None, None, None)

        problem = Problem(self.task.name, self.task.description)
        run = Run(problem, self.config, self.services, job=job)
        self.events = [e async for e in run.events()]
        if stopped:
            raise stopped[0]
        end = self.events[-1]
        assert isinstance(end, RunFinished)
        if not found:
            raise AssertionError(f"{end.status}: {end.error}")
        return found[0]

    async def failing_search(self) -> str:
        """The message of a search that ends with an error."""
        try:
            await self.search()
        except AssertionError as error:
            return str(error)
        raise AssertionError("the search found something")

    async def solve(self, problem: Problem, found: Mapping[str, Any] | None) -> RunFinished:
        """One problem, with what the search found."""
        run = Run(problem, self.config, self.services, found=found)
        events = [e async for e in run.events()]
        self.trial_events += events
        end = events[-1]
        assert isinstance(end, RunFinished)
        return end

    @property
    def calls(self) -> tuple[int, int]:
        """Calls of the meta-agent and of the worker so far."""
        return len(self.services.meta_agent.calls), len(self.services.worker.calls)  # type: ignore[attr-defined]

    @property
    def seen(self) -> str:
        """Everything any model was told."""
        return str(self.services.meta_agent.calls) + str(self.services.worker.calls)  # type: ignore[attr-defined]


async def assert_resumes(make: Any, *, only: str = "") -> None:
    """A search stopped around each of its steps in turn finds the same, and asks no model twice.

    `make()` gives a new `Lab` every time, whose journal may hold steps already; `only` are the steps to stop
    at, where not all.
    """
    whole: Lab = make()
    wanted = await whole.search()
    assert len(whole.journal.values) > 2
    for key in [k for k in whole.journal.values if k.startswith(only)]:
        for after in (False, True):
            lab: Lab = make()
            values = dict(lab.journal.values)
            try:
                await lab.search(InterruptingJournal(values, key, after=after))
            except Interrupted:
                pass
            else:
                raise AssertionError(f"{key} was never reached")
            lab.journal.values = values
            assert _plain(await lab.search()) == _plain(wanted), key
            assert lab.calls == whole.calls, key


def _plain(found: Any) -> Any:
    """What was found without the names of runs, which differ every time."""
    if isinstance(found, dict):
        return {k: _plain(v) for k, v in found.items() if k != "run_id"}
    return [_plain(v) for v in found] if isinstance(found, list) else found
