"""When an experiment starts a trial and when it does not: retries, budgets, a sandbox that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.events import ModelCallFinished
from engine.experiments.contestants import contestants, specs_by_label
from engine.experiments.experiment import Experiment
from engine.experiments.guard import INFRA_IN_A_ROW, SAME_AT_FIRST, Guard
from engine.experiments.keys import TrialKey
from engine.experiments.plan import Plan, PlanError, check_name
from engine.experiments.tally import Attempt
from engine.experiments.trials import TrialRequest, Watch
from engine.journal import Journal
from engine.problems import Kind, Problem
from engine.run.ledger import Budget
from engine.search import Trial
from engine.tasks import Task
from engine.variants import OptionError, UnknownVariantError
from tests.support.searches import MemoryJournal


def plan(*specs: str, problems: int = 4, repeats: int = 1) -> Plan:
    ids = tuple(f"p{n}" for n in range(problems))
    return Plan(
        "e", "b", None, None, 7, repeats, 2, "m", "w", specs_by_label(specs or ["vanilla"]), ids, (), "d"
    )


class Memory:
    """A log that knows the attempts it was given."""

    def __init__(self, attempts: dict[TrialKey, Attempt] | None = None, spent: float = 0.0) -> None:
        self._attempts = {str(key): attempt for key, attempt in (attempts or {}).items()}
        self._spent = spent

    async def attempts(self) -> dict[str, Attempt]:
        return self._attempts

    async def ended(self, key: str) -> Trial | None:
        return None

    async def unfinished(self, key: str) -> None:
        return None

    async def spent(self) -> tuple[float, int]:
        return self._spent, 0

    def journal(self, label: str) -> Journal:
        return MemoryJournal()


class Carried:
    """Carries nothing out: the trial ends as `status` says, having cost 1 USD."""

    def __init__(
        self, status: Callable[[str, int], str] = lambda *_: "passed", cost: float | None = 1.0
    ) -> None:
        self.requests: list[TrialRequest] = []
        self._status, self._cost = status, cost
        self.now = self.most = 0

    async def __call__(self, request: TrialRequest, watch: Watch) -> Trial:
        self.requests.append(request)
        number = len(self.requests)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        watch(ended_call(self._cost))
        self.now -= 1
        status = self._status(request.problem.id, number)
        score = {"passed": 1.0, "failed": 0.0}.get(status)
        return Trial(f"run{number}", request.problem.id, 1, status, score, None, "why", 1, 1, self._cost)


def ended_call(cost: float | None) -> ModelCallFinished:
    return ModelCallFinished(
        call_id="c",
        text="",
        reasoning="",
        finish="stop",
        tokens_in=1,
        tokens_out=1,
        cost_usd=cost,
        ttft_ms=None,
        wall_ms=1.0,
    )


def experiment(plan: Plan, carry: Carried, log: Memory, **options: Any) -> Experiment:
    problems = {p: Problem(p, "Solve.") for p in plan.problems}
    ready = contestants(plan, Budget(), "code")
    options = {"concurrency": 1} | options
    return Experiment(plan, ready, problems, Task("t", "t", "open", ()), carry, log, **options)


def carried(carry: Carried) -> list[str]:
    return [r.problem.id for r in carry.requests]


async def test_what_is_done_is_not_done_again_and_what_has_no_verdict_is() -> None:
    before = {
        TrialKey("vanilla", "p0", 1): Attempt("r0", "failed", 0.0),
        TrialKey("vanilla", "p1", 1): Attempt("r1", "infra", None),
        TrialKey("vanilla", "p2", 1): Attempt("r2", "error", None),
    }
    carry = Carried()
    run = experiment(plan(), carry, Memory(before))
    assert await run.run(lambda *_: None) == "done"
    assert carried(carry) == ["p1", "p3"]
    (state,) = run.progress.states()
    assert (state.done, state.passed, state.errors, state.infra) == (4, 2, 1, 0)
    assert state.score == pytest.approx(0.5)  # an error is a zero, not a gap


@pytest.mark.parametrize(
    ("retry", "expected"),
    [
        (("infra",), ["p1"]),
        (("p0", "p3"), ["p0", "p3"]),
        (("error",), ["p2"]),
        (("run-zero",), ["p0"]),
    ],
)
async def test_only_chosen_trials_are_retried(retry: Sequence[str], expected: list[str]) -> None:
    before = {
        TrialKey("vanilla", "p0", 1): Attempt("run-zero-1", "failed", 0.0),
        TrialKey("vanilla", "p1", 1): Attempt("run-one", "infra", None),
        TrialKey("vanilla", "p2", 1): Attempt("run-two", "error", None),
    }
    carry = Carried()
    await experiment(plan(), carry, Memory(before), retry=retry).run(lambda *_: None)
    assert carried(carry) == expected


async def test_a_retried_trial_is_counted_once_and_keeps_its_verdict_if_the_sandbox_fails() -> None:
    before = {TrialKey("vanilla", "p0", 1): Attempt("run-zero", "passed", 1.0)}
    run = experiment(plan(problems=1), Carried(lambda *_: "failed"), Memory(before), retry=("p0",))
    await run.run(lambda *_: None)
    (state,) = run.progress.states()
    assert (state.done, state.passed) == (1, 0)
    run = experiment(plan(problems=1), Carried(lambda *_: "infra"), Memory(before), retry=("p0",))
    await run.run(lambda *_: None)
    (state,) = run.progress.states()
    assert (state.done, state.passed, state.infra) == (1, 1, 0)


async def test_retrying_what_there_is_not_is_said() -> None:
    with pytest.raises(PlanError, match="no problem and no run of e has this id"):
        await experiment(plan(), Carried(), Memory(), retry=("nothing",)).run(lambda *_: None)


async def test_a_spent_budget_starts_nothing_more_and_earlier_attempts_count() -> None:
    carry = Carried()
    run = experiment(plan(problems=10), carry, Memory(spent=2.5), budget_usd=5.0)
    assert await run.run(lambda *_: None) == "budget"
    assert len(carry.requests) == 3  # 2.5 + 3 is more than 5
    assert "5.5000 USD of its 5 USD" in run.stopped


async def test_running_trials_end_when_the_budget_is_spent() -> None:
    carry, ends = Carried(), []
    run = experiment(plan(problems=10), carry, Memory(), budget_usd=1.0, concurrency=4)
    assert await run.run(lambda key, _: ends.append(key)) == "budget"
    assert len(ends) == len(carry.requests) == 4


async def test_unknown_prices_are_counted_and_bound_nothing() -> None:
    carry = Carried(cost=None)
    run = experiment(plan(), carry, Memory(), budget_usd=0.5)
    assert await run.run(lambda *_: None) == "done"
    assert run.guard.unknown_calls == 4


async def test_a_sandbox_that_is_away_stops_the_experiment_early() -> None:
    carry = Carried(lambda *_: "infra")
    run = experiment(plan(problems=100), carry, Memory())
    assert await run.run(lambda *_: None) == "sandbox"
    assert len(carry.requests) == INFRA_IN_A_ROW
    assert "why" in run.stopped


async def test_single_infra_failures_leave_their_trials_to_do() -> None:
    carry = Carried(lambda _, number: "infra" if number % 2 else "passed")
    run = experiment(plan(problems=40), carry, Memory())
    assert await run.run(lambda *_: None) == "incomplete"
    (state,) = run.progress.states()
    assert (state.done, state.infra) == (20, 20)


async def test_so_many_at_once_and_variants_side_by_side_with_the_same_seeds() -> None:
    carry = Carried()
    run = experiment(plan("vanilla", "flowreasoner", problems=5, repeats=2), carry, Memory(), concurrency=3)
    assert await run.run(lambda *_: None) == "done"
    assert carry.most == 3
    assert [(r.problem.id, r.config.variant, r.config.seed) for r in carry.requests[:3]] == [
        ("p0", "vanilla", 7),
        ("p0", "flowreasoner", 7),
        ("p1", "vanilla", 7),
    ]
    assert [r.config.seed for r in carry.requests[10:]] == [8] * 10
    assert len({r.origin.trial for r in carry.requests}) == 20


def test_specs_are_read_against_the_variants_options() -> None:
    ready = contestants(
        plan("flowreasoner,rounds=3,meta_agent=x/y,executions=1", "aflow,rounds=2"), Budget(), "code"
    )
    first, second = ready.values()
    assert (first.config.rounds, first.config.repeats, first.meta_agent, first.worker) == (3, 1, "x/y", "w")
    assert second.config.options["rounds"] == 2  # its own, not the run's
    assert first.config.options["parent"] == "best"  # every option is recorded as it was resolved
    assert second.config.repeats == 2


@pytest.mark.parametrize(
    ("spec", "error", "told"),
    [
        ("vanilla,rounds=3", OptionError, "there is no option rounds; there are meta_agent"),
        ("flowreasoner,rounds=0", OptionError, "rounds is '0'; give a number from 1 to 1000"),
        ("flowreasoner,executions=٣", OptionError, "executions is"),
        ("flowreasoner,rounds=" + "9" * 5000, OptionError, "rounds is '9999"),
        ("aflow,sample=many", OptionError, "option sample"),
        ("vanila", UnknownVariantError, "did you mean vanilla"),
        ("vanilla,nonsense", OptionError, "is not an option"),
    ],
)
def test_a_wrong_spec_is_one_sentence(spec: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        contestants(plan(spec), Budget(), "code")


@pytest.mark.parametrize("name", ["", "../x", "a b", "-x", "x" * 81, "a\n", "[red]", "é", "a:b"])
def test_a_name_that_could_not_be_typed_again_is_refused(name: str) -> None:
    with pytest.raises(PlanError, match="cannot be called"):
        check_name(name)


def test_the_same_variant_twice_is_refused() -> None:
    with pytest.raises(PlanError, match="given twice"):
        specs_by_label(["flowreasoner,rounds=2,executions=1", "flowreasoner, executions=1, rounds=2"])


def test_a_plan_comes_back_from_json() -> None:
    assert Plan.from_json(plan().to_json()) == plan()
    with pytest.raises(PlanError, match="another version"):
        Plan.from_json({"name": "e"})


def errs(messages: Callable[[int], str], status: Callable[[int], str] = lambda _: "error") -> Carried:
    """Trials that end in these errors, by number."""

    class Errors(Carried):
        async def __call__(self, request: TrialRequest, watch: Watch) -> Trial:
            trial = await super().__call__(request, watch)
            number = len(self.requests)
            return replace(trial, status=status(number), score=None, error=messages(number))

    return Errors()


@pytest.mark.parametrize(
    "message",
    [
        lambda n: "m at http://x: HTTP 400: bad request",
        lambda n: f"HTTP 400: the prompt has {100 + n} tokens, the context 8",
        lambda n: f"request req-{n:04x}7 was refused at 2026-01-01T00:00:{n:02}",
        lambda n: "a bug ended the run (KeyError: 'x')",
    ],
)
async def test_first_trials_that_all_end_in_the_same_error_stop_the_experiment(
    message: Callable[[int], str],
) -> None:
    carry = errs(message)
    run = experiment(plan(problems=40), carry, Memory())
    assert await run.run(lambda *_: None) == "error"
    assert len(carry.requests) == SAME_AT_FIRST
    assert run.stopped == f"the first 5 trials ended in the same error: {message(SAME_AT_FIRST)}"


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (lambda n: "one" if n % 2 else "another", lambda n: "error"),
        (lambda n: "same", lambda n: "passed" if n == 1 else "error"),
        (lambda n: "same", lambda n: "failed" if n == SAME_AT_FIRST else "error"),
        (lambda n: "same", lambda n: "budget"),
    ],
    ids=["different", "first-passes", "last-fails", "budgets"],
)
async def test_errors_of_a_variant_do_not_stop_it(
    message: Callable[[int], str], status: Callable[[int], str]
) -> None:
    carry = errs(message, status)
    run = experiment(plan(problems=40), carry, Memory())
    assert await run.run(lambda *_: None) == "done"
    assert len(carry.requests) == 40


@pytest.mark.parametrize("problems", [1, 3])
async def test_an_experiment_of_few_trials_is_told_as_well(problems: int) -> None:
    run = experiment(plan(problems=problems), errs(lambda _: "why"), Memory())
    assert await run.run(lambda *_: None) == "error"
    assert run.stopped.endswith("ended in the same error: why")


async def test_interrupted_trials_are_no_sign_of_anything() -> None:
    carry = errs(lambda _: "same", lambda n: "infra" if n == 2 else "error")
    run = experiment(plan(problems=40), carry, Memory())
    assert await run.run(lambda *_: None) == "error"
    assert len(carry.requests) == SAME_AT_FIRST + 1


async def test_what_failed_calls_cost_counts_too() -> None:
    guard = Guard()
    guard.watch(replace(ended_call(0.25), error="it broke off"))
    guard.watch(replace(ended_call(None), error="it broke off"))
    guard.watch(replace(ended_call(None), error="refused", tokens_in=0, tokens_out=0))
    assert (guard.spent_usd, guard.unknown_calls) == (0.25, 1)


@pytest.mark.parametrize(
    ("spec", "kind", "meta_agent", "chosen"),
    [
        ("aflow", "code", "x/y", "aflow-code"),
        ("aflow", "math", "x/y", "aflow-math"),
        ("scoreflow", "qa", "x/y", "scoreflow-qa"),
        ("metaflow", "code", "x/y", "metaflow"),
        ("flowreasoner", "code", "x/y", "paper"),
        ("metaflow", "code", "pocket-meta", "paper"),
        ("metaflow,operators=metaflow-both~2", "code", "pocket-meta", "metaflow-both~2"),
        ("metaflow,meta_agent=x/y", "qa", "pocket-meta", "metaflow"),
    ],
)
def test_a_variant_has_the_operators_of_its_system(
    spec: str, kind: Kind, meta_agent: str, chosen: str
) -> None:
    (one,) = contestants(replace(plan(spec), meta_agent=meta_agent), Budget(), kind).values()
    assert one.config.operators.name == chosen
