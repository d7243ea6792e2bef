"""A comparison: sides, each against the first, and what keeps them from being like for like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from store.compare.measures import Counts, Summary, summarise
from store.compare.pairs import Pair, pair
from store.compare.parting import Parting, read_parting
from store.compare.problems import by_problem
from store.compare.sides import Side, read_sides
from store.compare.traces import RunPair, read_run_pair

if TYPE_CHECKING:
    from store.reader import Reader

SCHEMA = 1
# Settings that must be the same for a comparison to be about the variants alone.
_SAME: Mapping[str, str] = {
    "benchmark": "the benchmarks differ ({}): only problems of the same id are paired",
    "split": "the splits differ ({})",
    "digest": "the problems' content differs, so that the same id need not be the same problem",
    "judge": "the judges differ ({}): scores do not mean the same",
    "judged": "the tests were judged in different modes ({}): in one process cheats are only detected",
    "tests written by": "the tests were written by different parties ({})",
    "worker": "the workers differ ({}): not like for like",
    "seed": "the seeds differ ({}): draws are not shared",
    "executions": "the executions of a workflow differ ({})",
    "repeats": "the repeats differ ({})",
    "sandbox": "the sandboxes differ ({})",
}


@dataclass(frozen=True)
class Comparison:
    """Sides with their summaries, in order; `pairs` are each further side against the first.

    `runs` are the pairs of traces where every side is one run, and `partings` where those part.
    """

    sides: tuple[Side, ...]
    summaries: tuple[Summary, ...]
    pairs: tuple[Pair, ...]
    runs: tuple[RunPair, ...]
    partings: tuple[Parting, ...]
    warnings: tuple[str, ...]

    @property
    def are_runs(self) -> bool:
        """Whether every side is a single run, so that their traces can be compared."""
        return all(side.is_run for side in self.sides)

    def settings(self, *, every: bool) -> list[tuple[str, tuple[str, ...]]]:
        """(name, one value per side) for each setting; without `every` only those that differ."""
        all_facts = [side.facts for side in self.sides]
        keys = dict.fromkeys(key for facts in all_facts for key in facts)
        rows = [(key, tuple(facts.get(key, "") for facts in all_facts)) for key in keys]
        return [(key, values) for key, values in rows if every or len(set(values)) > 1]


def compare(reader: Reader, names: Sequence[str]) -> Comparison:
    """Read and compare what is named. Raises CompareError and StoreError as `read_sides` does."""
    return compare_sides(reader, read_sides(reader, names))


def with_baseline(sides: Sequence[Side], index: int) -> tuple[Side, ...]:
    """The sides with the one at `index` first, lettered anew from A."""
    order = [sides[index], *sides[:index], *sides[index + 1 :]]
    return tuple(replace(side, letter="ABCD"[i]) for i, side in enumerate(order))


def compare_sides(reader: Reader, sides: Sequence[Side]) -> Comparison:
    """Compare sides that were read, the first being the baseline.

    Raises StoreError where the traces of two runs cannot be read.
    """
    first, *others = sides
    named = any(len(side.parts) > 1 for side in sides)
    problems = [by_problem(side) for side in sides]
    pairs = tuple(
        pair((first.letter, other.letter), problems[0], of_other, named=named)
        for other, of_other in zip(others, problems[1:], strict=True)
    )
    runs, partings = (), ()
    if all(side.is_run for side in sides):
        runs = tuple(read_run_pair(reader, first.run_id, other.run_id) for other in others)
        partings = tuple(read_parting(reader, first.run_id, other.run_id) for other in others)
    summaries = tuple(map(summarise, sides, problems))
    warnings = tuple(_warnings(sides, summaries, pairs))
    return Comparison(tuple(sides), summaries, pairs, runs, partings, warnings)


def _warnings(sides: Sequence[Side], summaries: Sequence[Summary], pairs: Sequence[Pair]) -> Iterator[str]:
    all_facts = [side.facts for side in sides]
    for key, sentence in _SAME.items():
        values = [facts.get(key, "") for facts in all_facts]
        if len(set(values)) > 1:
            listing = "; ".join(f"{s.letter}: {v or 'none'}" for s, v in zip(sides, values, strict=True))
            yield sentence.format(listing) if "{}" in sentence else sentence
    if any("in-process" in facts.get("judged", "") for facts in all_facts):
        yield "tests were judged in one process, where cheats are detected and not prevented"
    if any("model" in facts.get("tests written by", "") for facts in all_facts):
        yield "a model wrote tests that count here: a pass proves little"
    for side, summary in zip(sides, summaries, strict=True):
        counts = summary.counts
        if counts.unfinished > 0:
            yield f"{side.letter}: {_unfinished(counts)}"
        if counts.done and counts.done == counts.answered:
            yield f"{side.letter} was not scored: its problems have neither tests nor an answer"
        for sentence in dict.fromkeys(leak for part in side.parts for leak in part.leaks):
            yield f"{side.letter}: {sentence}"
        if counts.repaired:
            yield f"{side.letter}: a repaired workflow ran in {counts.repaired} of {counts.done} trials"
    for one in pairs:
        if not one.problems:
            yield f"{one.baseline} and {one.other} have no problem with a result in common"
        for letter, keys in ((one.baseline, one.only_baseline), (one.other, one.only_other)):
            if one.problems and keys:
                yield f"{letter} alone has a result for {len(keys)} of its problems: not paired"
    if len(pairs) > 1:
        yield f"{len(pairs)} comparisons with the baseline: the p-values are not corrected for that"


def _unfinished(counts: Counts) -> str:
    """How many trials are not done, and what that may come to: what is scored so far may be the easy part."""
    parts = ((counts.running, "running"), (counts.no_verdict, "without a verdict"))
    which = ", ".join(f"{number} of them {what}" for number, what in parts if number)
    told = f"{counts.unfinished} of {counts.planned} trials are still to do{f', {which}' if which else ''}"
    if counts.answered or not counts.done:
        return told
    worst, best = counts.passed / counts.planned, (counts.passed + counts.unfinished) / counts.planned
    return (
        f"{told}; with them its pass rate is {worst * 100:.1f} % if all fail, {best * 100:.1f} % if all pass"
    )


def to_json(comparison: Comparison, *, rows: Callable[[Iterator[Any]], Any] = list) -> dict[str, Any]:
    """The comparison for programs; its fields are in docs/compare.md. `rows` makes the lists of problems: it
    is `iter` for whoever writes one problem after the other.
    """
    return {
        "kind": "comparison",
        "schema": SCHEMA,
        "sides": [_side(s, t) for s, t in zip(comparison.sides, comparison.summaries, strict=True)],
        "pairs": [_pair(one, rows) for one in comparison.pairs],
        "settings": [
            {"key": key, "values": list(values), "differs": len(set(values)) > 1}
            for key, values in comparison.settings(every=True)
        ],
        "runs": [
            one.to_json() | {"parting": parting.to_json()}
            for one, parting in zip(comparison.runs, comparison.partings, strict=True)
        ],
        "warnings": list(comparison.warnings),
    }


def _side(side: Side, summary: Summary) -> dict[str, Any]:
    data = asdict(summary)
    data["interval"] = list(summary.interval) if summary.interval else None
    data["means"] = {key: mean._asdict() for key, mean in summary.means.items()}
    data["shares"] = {key: share._asdict() for key, share in summary.shares.items()}
    data["pass_at"] = {str(k): value for k, value in summary.pass_at.items()}
    parts = [
        {
            "name": part.name,
            "label": part.label,
            "benchmark": part.benchmark,
            "is_run": part.is_run,
            "search": asdict(part.search) if part.search else None,
        }
        for part in side.parts
    ]
    return {"letter": side.letter, "name": side.name, "parts": parts} | data


def _pair(one: Pair, rows: Callable[[Iterator[Any]], Any]) -> dict[str, Any]:
    return vars(one) | {
        "problems": rows(vars(problem) for problem in one.problems),
        "deltas": {
            key: {
                "value": d.value,
                "interval": list(d.interval) if d.interval else None,
                "problems": d.problems,
            }
            for key, d in one.deltas.items()
        },
        "flips": rows(problem.problem_id for problem in one.flips),
    }
