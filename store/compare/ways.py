"""Variants as ways of working: what their operators took, where they differ, what turned verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from store.compare.again import Again, read_again
from store.compare.parting import Parting, read_parting
from store.compare.problems import ByProblem, Key, by_problem

if TYPE_CHECKING:
    from store.compare.comparison import Comparison
    from store.compare.pairs import Pair, ProblemPair
    from store.compare.sides import Side
    from store.reader import Reader
    from store.way_reader import Used

META, OUTSIDE = "meta-agent", "worker, outside of steps"
NO_WORKFLOW = "no workflow"


@dataclass(frozen=True)
class Operator:
    """An operator, or model calls outside of steps, on every side: all its done trials together, None where
    it was never called.
    """

    name: str
    sides: tuple[Used | None, ...]


@dataclass(frozen=True)
class Shift:
    """Problems that two sides worked on in the same two ways. A way is the operators that the scored workflow
    calls, in the order of its source; several trials of a problem may have had several.
    """

    ways: tuple[str, str]
    problems: int
    gained: int
    lost: int


@dataclass(frozen=True)
class Flip:
    """A problem that only one side passed; `again` is None where it has not been tried again."""

    problem: ProblemPair
    parting: Parting
    again: Again | None


@dataclass(frozen=True)
class PairWays:
    """A side's way of working against the baseline's. `flips` are the first of `flipped`."""

    baseline: str
    other: str
    shifts: tuple[Shift, ...]
    flips: tuple[Flip, ...]
    flipped: int

    @property
    def blames(self) -> Counter[str]:
        return Counter(flip.parting.blame for flip in self.flips)


@dataclass(frozen=True)
class Ways:
    """`trials` are the done ones of each side, which `operators` are of. `rounds` are, for each side, how
    many workflows passed all of `val` in a round, and how many were scored on it.
    """

    trials: tuple[int, ...]
    operators: tuple[Operator, ...]
    rounds: tuple[Mapping[int, tuple[int, int]], ...]
    pairs: tuple[PairWays, ...]


def read_ways(reader: Reader, comparison: Comparison, *, most: int | None = None) -> Ways:
    """Read how the sides of a comparison worked; at most `most` flips of a pair are looked into.

    Raises StoreError.
    """
    sides = comparison.sides
    problems = [by_problem(side) for side in sides]
    runs = [of_side.trials.run_ids for of_side in problems]
    used = [_used(reader, run_ids) for run_ids in runs]
    names = dict.fromkeys(name for of_side in used for name in of_side)
    operators = tuple(Operator(name, tuple(of_side.get(name) for of_side in used)) for name in names)
    calls = reader.ways.calls_of({workflow for side in problems for workflow in side.trials.workflows})
    named = any(len(side.parts) > 1 for side in sides)
    worked = [_worked(of_side, calls, named=named) for of_side in problems]
    pairs = tuple(
        _pair(reader, one, (sides[0], other), (worked[0], way), most)
        for one, other, way in zip(comparison.pairs, sides[1:], worked[1:], strict=True)
    )
    rounds = tuple(map(reader.ways.rounds, runs))
    return Ways(tuple(map(len, runs)), operators, rounds, pairs)


def _used(reader: Reader, run_ids: Sequence[str]) -> dict[str, Used]:
    outside = reader.ways.outside(run_ids)
    roles = {name: outside[role] for name, role in ((META, "meta"), (OUTSIDE, "worker")) if role in outside}
    return roles | reader.ways.operators(run_ids)


def _worked(side: ByProblem, calls: dict[str, tuple[str, ...]], *, named: bool) -> dict[Key, str]:
    """The side's way on each problem."""
    ways = {workflow: way_text(operators) for workflow, operators in calls.items()}
    way_of = [*(ways.get(workflow, NO_WORKFLOW) for workflow in side.trials.workflows), NO_WORKFLOW]
    of_trials = [
        way_of[place] for place in side.trials.workflow.tolist()
    ]  # without one it is the last, at -1
    ends = pairwise([*side.starts.tolist(), len(of_trials)])
    return {
        (benchmark if named else "", problem_id): " / ".join(dict.fromkeys(of_trials[start:end]))
        for (benchmark, problem_id), (start, end) in zip(side.keys, ends, strict=True)
    }


def way_text(operators: Sequence[str]) -> str:
    """`Custom → Test ×2`: the calls in a row of one operator together."""
    runs: list[tuple[str, int]] = []
    for name in operators:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    return " → ".join(f"{name} ×{times}" if times > 1 else name for name, times in runs) or "no operator"


def _pair(
    reader: Reader,
    one: Pair,
    sides: tuple[Side, Side],
    worked: tuple[dict[Key, str], dict[Key, str]],
    most: int | None,
) -> PairWays:
    shifts: dict[tuple[str, str], Counter[str]] = {}
    for problem in one.problems:
        key = (problem.benchmark, problem.problem_id)
        shifts.setdefault((worked[0][key], worked[1][key]), Counter())[problem.outcome] += 1
    again = read_again(reader, *sides)
    flips = [Flip(p, read_parting(reader, *p.runs), again.get(p.problem_id)) for p in one.flips[:most]]
    ordered = sorted(shifts.items(), key=lambda item: -item[1].total())
    return PairWays(
        one.baseline,
        one.other,
        tuple(Shift(w, found.total(), found["gained"], found["lost"]) for w, found in ordered),
        tuple(flips),
        len(one.flips),
    )


def to_json(ways: Ways) -> dict[str, Any]:
    """The ways for programs; the fields are in docs/compare.md."""
    return {
        "trials": list(ways.trials),
        "operators": [
            {"name": o.name, "sides": [asdict(used) if used else None for used in o.sides]}
            for o in ways.operators
        ],
        "rounds": [
            [{"round": n, "passed": passed, "scored": scored} for n, (passed, scored) in of_side.items()]
            for of_side in ways.rounds
        ],
        "pairs": [_pair_json(one) for one in ways.pairs],
    }


def _pair_json(one: PairWays) -> dict[str, Any]:
    return {
        "baseline": one.baseline,
        "other": one.other,
        "shifts": [asdict(shift) for shift in one.shifts],
        "blames": dict(one.blames),
        "flipped": one.flipped,
        "flips": [
            {
                "benchmark": flip.problem.benchmark,
                "problem_id": flip.problem.problem_id,
                "outcome": flip.problem.outcome,
                "parting": flip.parting.to_json(),
                "again": _again_json(flip.again) if flip.again else None,
            }
            for flip in one.flips
        ],
    }


def _again_json(again: Again) -> dict[str, Any]:
    return asdict(again) | {"interval": list(again.interval), "told_apart": again.is_told_apart}
