"""What an experiment counts: denominators, the pace, and when failures of the sandbox are too many."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.events import ModelCallFinished, ModelCallStarted, Role
from engine.experiments.guard import INFRA_IN_A_ROW, SAME_AT_FIRST, Guard
from engine.experiments.keys import TrialKey
from engine.experiments.plan import Plan
from engine.experiments.progress import Progress
from engine.experiments.tally import Attempt, Tally
from engine.models.base import ModelError
from engine.run.ledger import BudgetExceededError
from engine.scores.metrics import same_last_number
from engine.scores.statistics import pass_rate_interval
from engine.search import Trial
from sandbox.types import SandboxError


def counted(*attempts: tuple[str, float | None]) -> Tally:
    tally = Tally("v", 9)
    for number, (status, score) in enumerate(attempts):
        tally.add(Attempt(f"r{number}", status, score))
    return tally


def test_errors_and_spent_budgets_are_failures_in_every_denominator() -> None:
    state = counted(("passed", 1.0), ("failed", 0.5), ("error", None), ("budget", None)).state()
    assert (state.done, state.passed, state.errors) == (4, 1, 2)
    assert state.pass_rate == 0.25
    assert state.score == pytest.approx(1.5 / 4)


def test_what_there_was_nothing_to_score_by_is_done_and_in_no_mean_score() -> None:
    state = counted(("passed", 1.0), ("answered", None), ("failed", 0.0)).state()
    assert (state.done, state.pass_rate, state.score) == (3, pytest.approx(1 / 3), 0.5)
    assert counted(("answered", None)).state().score is None


def test_what_says_nothing_of_the_variant_is_still_to_do() -> None:
    state = counted(("infra", None), ("cancelled", None), ("interrupted", None), ("running", None)).state()
    assert (state.done, state.infra, state.pass_rate, state.score) == (0, 1, None, None)


def test_a_later_attempt_is_reported_where_it_counts_or_none_before_it_does() -> None:
    passed, failed = Attempt("a", "passed", 1.0), Attempt("b", "failed", 0.0)
    lost, cancelled = Attempt("c", "infra", None), Attempt("d", "cancelled", None)
    assert passed.supersedes(None) and failed.supersedes(passed) and passed.supersedes(lost)
    assert cancelled.supersedes(lost) and lost.supersedes(cancelled)
    assert not lost.supersedes(passed) and not cancelled.supersedes(failed)


def test_the_time_left_is_that_of_what_is_left_at_the_pace_of_this_session() -> None:
    now = [1000.0]
    plan = Plan("e", "b", None, None, 1, 1, 1, "m", "w", {"v": "v"}, tuple(map(str, range(10))), (), "d")
    progress = Progress(plan, lambda: now[0])
    progress.resume({str(TrialKey("v", str(n), 1)): Attempt("r", "passed", 1.0) for n in range(2)})
    now[0] += 500.0  # a search before the first trial is not its pace
    progress.begin(8)
    assert progress.eta_s is None
    for ended in (1, 2, 3, 4):
        now[0] += 10.0
        progress.ended(TrialKey("v", str(ended + 1), 1), Attempt("r", "failed", 0.0))
        assert progress.eta_s == pytest.approx((8 - ended) * 10.0)
    assert (progress.done, progress.total, progress.elapsed_s) == (6, 10, 40.0)


def ended(status: str) -> Trial:
    return Trial("r", "p", 1, status, None, None, "no Docker", 0, 0, 0.0)


@pytest.mark.parametrize("between", ["cancelled", "interrupted"])
def test_what_was_stopped_from_outside_says_nothing_of_the_sandbox(between: str) -> None:
    guard = Guard()
    for _ in range(INFRA_IN_A_ROW - 1):
        guard.ended(ended("infra"))
        guard.ended(ended(between))
    guard.check()
    guard.ended(ended("infra"))
    with pytest.raises(SandboxError, match=f"{INFRA_IN_A_ROW} trials in a row had no sandbox: no Docker"):
        guard.check()


@pytest.mark.parametrize("between", ["passed", "failed", "error", "budget", "answered"])
def test_a_trial_that_had_its_sandbox_begins_the_count_anew(between: str) -> None:
    guard = Guard()
    for status in ("infra",) * (INFRA_IN_A_ROW - 1), (between,), ("infra",) * (INFRA_IN_A_ROW - 1):
        for one in status:
            guard.ended(ended(one))
    guard.check()


def asked(guard: Guard, run: str, error_kind: str | None, *, model: str = "m", role: Role = "worker") -> None:
    """A call of a model, by the run of this id."""
    error = "m is away" if error_kind else None
    started = ModelCallStarted(call_id=run, role=role, model=model, step_id=None, messages=(), params={})
    told = {"text": "", "reasoning": "", "finish": "", "tokens_in": 0, "tokens_out": 0, "cost_usd": 0.0}
    finished = ModelCallFinished(
        call_id=run, **told, ttft_ms=None, wall_ms=1.0, error=error, error_kind=error_kind
    )
    for event in (started, finished):
        guard.watch(replace(event, run_id=run))


def lose(guard: Guard, trials: int, kind: str = "server", first: int = 0) -> None:
    """So many trials, each of which ends for want of the model."""
    for number in range(first, first + trials):
        asked(guard, f"r{number}", kind)
        guard.ended(replace(ended("infra"), run_id=f"r{number}", error=f"m is away (call {number})"))


def test_a_model_that_never_answers_stops_the_first_trials() -> None:
    guard = Guard()
    lose(guard, SAME_AT_FIRST - 1)
    guard.check()
    lose(guard, 1, first=SAME_AT_FIRST)
    with pytest.raises(ModelError, match="the first 5 trials ended in the same error: m is away"):
        guard.check()


def test_a_model_that_is_gone_later_stops_after_so_many_in_a_row_and_is_named() -> None:
    guard = Guard()
    asked(guard, "r", None)
    guard.ended(ended("passed"))
    lose(guard, INFRA_IN_A_ROW - 1)
    asked(guard, "other", None, model="another")  # says nothing of m as a worker
    asked(guard, "writes", None, role="meta")
    asked(guard, "refused", "refused")
    guard.check()
    lose(guard, 1, first=INFRA_IN_A_ROW)
    with pytest.raises(ModelError, match=r"^10 trials in a row had no answer of m: m is away"):
        guard.check()


def test_a_model_that_answers_now_and_then_is_not_gone() -> None:
    guard = Guard()
    for number in range(3 * INFRA_IN_A_ROW):
        asked(guard, f"r{number}", None)
        lose(guard, 1, first=number)
        guard.check()


def test_a_refused_call_of_a_run_that_lost_its_sandbox_is_not_what_ended_it() -> None:
    guard = Guard()
    for number in range(INFRA_IN_A_ROW):
        asked(guard, f"r{number}", "refused")
        guard.ended(replace(ended("infra"), run_id=f"r{number}"))
    with pytest.raises(SandboxError, match="had no sandbox: no Docker"):
        guard.check()


def test_money_is_used_up_at_its_value() -> None:
    guard = Guard(1.0)
    guard.resume(0.999, 3)
    guard.check()
    guard.resume(1.0, 0)
    with pytest.raises(BudgetExceededError, match=r"1\.0000 USD of its 1 USD"):
        guard.check()


# Numbers


def test_numbers_as_far_apart_as_the_tolerance_are_the_same() -> None:
    assert same_last_number("it is 3", "3.000001")
    assert not same_last_number("it is 3", "3.0000011")


def test_whole_problems_are_resampled_with_how_often_they_were_tried() -> None:
    """Passed and tried belong together: apart, a rate could be above 1."""
    passed, tried = [20, 0, 1, 0, 20, 1], [20, 1, 1, 1, 20, 20]
    found = pass_rate_interval(passed, tried)
    assert found is not None
    assert 0.0 <= found.low < sum(passed) / sum(tried) < found.high <= 1.0
    # Two problems: one resample in four is the first twice, one the second twice.
    assert pass_rate_interval([3, 0], [3, 1]) == (0.0, 1.0)
