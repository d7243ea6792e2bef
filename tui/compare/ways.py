"""Ways of working as people read them: where time and money went, and what turned a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tui.compare.cells import NONE, number, problem_name, signed
from tui.format import cost, count, duration, plural
from tui.safe import one_line

if TYPE_CHECKING:
    from store.compare.again import Again
    from store.compare.parting import Ending, Parting
    from store.compare.ways import Flip, Operator, PairWays, Shift, Ways
    from store.way_reader import Used

BLAMES = {
    "problem": "not the same problem",
    "ended": "no final execution",
    "meta-reply": "same question to the meta-agent, other workflow",
    "workflow": "other workflow",
    "worker": "same prompt, other worker",
    "reply": "same prompt, other reply",
    "operator": "same inputs, other prompt",
    "sandbox": "same inputs, other result of the code",
    "inputs": "same workflow, other inputs",
    "answer": "same steps, other answer",
    "tests": "same answer, other tests",
    "verdict": "same answer and tests, other verdict",
    "nothing": "no difference found",
}
USED_HEAD = ("calls", "time", "cost", "tokens")


def used_cells(operator: Operator, ways: Ways, sides: Sequence[int]) -> list[str]:
    """What `USED_HEAD` says, per trial, and of time and cost the share of the side's: measure by measure, in
    each of them side by side.
    """
    columns = [_used(operator, ways, side) for side in sides]
    return [cell for cells in zip(*columns, strict=True) for cell in cells]


def _used(operator: Operator, ways: Ways, side: int) -> list[str]:
    used, trials = operator.sides[side], ways.trials[side]
    if used is None or not trials:
        return [NONE] * len(USED_HEAD)
    time, money = used.wall_ms, used.cost_usd
    return [
        number("count", used.calls / trials),
        duration(time / trials) + _share(time, [u.wall_ms for u in _of(ways, side)]),
        cost(None if money is None else money / trials)
        + _share(money, [u.cost_usd for u in _of(ways, side)]),
        count(round(used.tokens / trials)),
    ]


def _of(ways: Ways, side: int) -> list[Used]:
    return [used for one in ways.operators if (used := one.sides[side]) is not None]


def _share(part: float | None, parts: list[float | None] | list[float]) -> str:
    """` 40 %` of what all of the side's operators took; nothing where that is not known."""
    known = [value for value in parts if value is not None]
    whole = sum(known)
    return "" if part is None or len(known) < len(parts) or not whole else f" {part / whole * 100:3.0f} %"


def shift_cells(shift: Shift) -> list[str]:
    """How many problems went from which way to which, and what came of it."""
    before, after = (one_line(way, 200) for way in shift.ways)
    return [str(shift.problems), str(shift.gained), str(shift.lost), before, after]


def flip_cells(flip: Flip) -> list[str]:
    """The problem, how it flipped, what that is to be blamed on, at which step, and what reruns say."""
    return [
        one_line(problem_name(flip.problem), 200),
        flip.problem.outcome,
        BLAMES[flip.parting.blame],
        place(flip.parting).removeprefix("step "),
        again_cell(flip.again),
    ]


def place(parting: Parting) -> str:
    """The step at which two traces part, as `step 2 Review, line 12`; – where no step does."""
    if parting.step is None:
        return NONE
    step = parting.step.step
    line = f", line {step.line}" if step.line else ""
    return f"step {step.index} {one_line(step.operator, 40)}{line}"


def again_cell(again: Again | None) -> str:
    """`effect 1/5 → 5/5 [+13, +98]`, the interval being of the difference; – where it was not tried again."""
    if again is None:
        return NONE
    before, after = (f"{p}/{n}" for p, n in zip(again.passed, again.trials, strict=True))
    low, high = (signed("share", round(end, 2)).replace(".0", "") for end in again.interval)
    return f"{'effect' if again.is_told_apart else 'luck?'} {before} → {after} [{low}, {high}]"


def blame_sentence(one: PairWays) -> str:
    """What the flips are to be blamed on, the most frequent first."""
    who = f"{one.other} against {one.baseline}"
    if not one.flips:
        return f"{who}: no problem flipped"
    of = f"the first {len(one.flips)} of {one.flipped:,} flips" if one.flipped > len(one.flips) else ""
    told = ", ".join(f"{n} {BLAMES[blame]}" for blame, n in one.blames.most_common())
    return f"{who}, {of or plural(one.flipped, 'flip')}: {told}"


def parting_sentence(parting: Parting) -> str:
    """Where two runs part and why, in a line."""
    where = f"at {place(parting)}" if parting.step else "at no step"
    executions = [e.execution for e in parting.endings if e.execution]
    of = f" of {executions[0][0]} {executions[0][2]}" if executions and parting.step else ""
    return f"They part {where}{of}: {BLAMES[parting.blame]}"


def ending_lines(ending: Ending) -> Iterator[str]:
    """How an execution ended, in a few lines that stand above its answer."""
    from engine.failures.flaws import flaws

    scored = "" if ending.score is None else f", {number('share', ending.score)}"
    if ending.execution is None:
        yield f"run: {ending.status}{scored}, without a final execution"
    else:
        purpose, round_number, repeat = ending.execution
        yield f"{purpose} {repeat}, round {round_number}: run {ending.status}{scored}"
    if ending.error:
        yield f"✗ {one_line(ending.error, 300)}"
    for flaw in flaws(ending.verdict)[:3]:
        yield f"✗ {one_line(flaw.error or flaw.call or 'wrong answer', 300)}"
        if flaw.expected or flaw.got:
            yield f"    expected  {one_line(flaw.expected, 300)}"
            yield f"    got       {one_line(flaw.got, 300)}"
