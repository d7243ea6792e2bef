"""A comparison as rows of the screen's tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.compare.cells import Line, outcome_cells, problem_name
from tui.compare.report import step_cells
from tui.compare.ways import USED_HEAD, flip_cells, shift_cells, used_cells
from tui.safe import one_line
from tui.trace.marks import Piece
from tui.widgets.table_view import Column, TableRow

if TYPE_CHECKING:
    from store.compare.comparison import Comparison
    from store.compare.pairs import Pair, ProblemPair
    from store.compare.traces import StepPair
    from store.compare.ways import Flip, Operator, PairWays, Shift, Ways
    from store.experiment_reader import ExperimentRow

_TONES = {"": "", "good": "success", "bad": "error"}
_OUTCOMES = {"gained": "success", "lost": "error", "better": "success", "worse": "error"}
_KINDS = {"same": "muted", "output": "warning", "inputs": "accent"}
CHOICE_COLUMNS = (
    Column("", least=1),
    Column("Experiment", "name", least=12),
    Column("Variant", "name", least=16),
    Column("Done", "number"),
    Column("Passed", "number"),
    Column("Benchmark", "name", least=8, rank=1),
)


def measure_columns(comparison: Comparison) -> tuple[Column, ...]:
    """A column a side, and one a pair; where there is no room for all, the last pairs are left out first."""
    sides = [Column(side.letter, "number") for side in comparison.sides]
    pairs = [
        Column(f"{one.other} − {one.baseline}, 95 %", "number", rank=place)
        for place, one in enumerate(comparison.pairs, 1)
    ]
    return (Column("", "name", least=15), *sides, *pairs)


def measure_row(line: Line, comparison: Comparison) -> TableRow:
    """A measure for `measure_columns`."""
    values: list[Piece] = [(value, "") for value in line.values]
    deltas: list[Piece] = [(d, _TONES[t]) for d, t in zip(line.deltas, line.tones, strict=True)]
    blank: list[Piece] = [("", "")] * (len(comparison.pairs) - len(deltas))
    return TableRow(line.title, ((one_line(line.title, 200), "title"), *values, *deltas, *blank))


def problem_columns(one: Pair) -> tuple[Column, ...]:
    return (
        Column("Problem", "name", least=16),
        Column("", least=6),
        Column(one.baseline, least=6),
        Column(one.other, least=6),
    )


def problem_row(one: ProblemPair) -> TableRow:
    """A problem for `problem_columns`."""
    ink = _OUTCOMES.get(one.outcome, "muted")
    before, after = outcome_cells(one)
    outcome = "" if one.outcome == "unscored" else one.outcome
    name = problem_name(one)
    return TableRow(name, ((one_line(name, 200), ""), (outcome, ink), (before, "muted"), (after, ink)))


def setting_columns(comparison: Comparison) -> tuple[Column, ...]:
    return (
        Column("Setting", "name", least=14),
        *(Column(s.letter, "name", least=8) for s in comparison.sides),
    )


def setting_row(key: str, values: Sequence[str]) -> TableRow:
    ink = "warning" if len(set(values)) > 1 else "muted"
    return TableRow(key, ((one_line(key, 200), "title"), *((one_line(v, 400) or "–", ink) for v in values)))


def step_columns(one: Pair) -> tuple[Column, ...]:
    return (
        Column("Execution", least=10, rank=3),
        Column("Step", "number"),
        Column("Operator", "name", least=12),
        Column("Differs", least=14),
        Column(f"Output of {one.baseline}", least=14, most=200, rank=2),
        Column(f"Output of {one.other}", least=14, most=200, rank=1),
    )


def step_row(pair: StepPair, names: tuple[str, str]) -> TableRow:
    where, index, operator, differs, *outputs = step_cells(pair, names)
    inks = ("muted", "muted", "title", _KINDS.get(pair.kind, "warning"), "", "")
    key = repr([(s.execution, s.index) if s else None for s in pair.steps])
    return TableRow(key, tuple(zip((where, index, operator, differs, *outputs), inks, strict=True)))


def operator_columns(letters: Sequence[str]) -> tuple[Column, ...]:
    """Calls, time, cost and tokens per trial, side by side; the last are left out first."""
    places = range(len(USED_HEAD) * len(letters))
    heads = [f"{letter} {what}" for what in USED_HEAD for letter in letters]
    return (
        Column("Operator", "name", least=12),
        *(
            Column(head, "number", rank=max(at - len(letters) + 1, 0))
            for at, head in zip(places, heads, strict=True)
        ),
    )


def operator_row(one: Operator, ways: Ways, sides: Sequence[int]) -> TableRow:
    cells = [(text, "") for text in used_cells(one, ways, sides)]
    return TableRow(one.name, ((one_line(one.name, 200), "title"), *cells))


def shift_columns(one: PairWays) -> tuple[Column, ...]:
    return (
        Column("Problems", "number"),
        Column("Gained", "number"),
        Column("Lost", "number"),
        Column(f"Operators of {one.baseline}", least=14, most=200),
        Column(f"Operators of {one.other}", least=14, most=200),
    )


def shift_row(one: Shift) -> TableRow:
    problems, gained, lost, *both = shift_cells(one)
    inks = ("success" if one.gained else "muted", "error" if one.lost else "muted")
    return TableRow(
        "\0".join(one.ways),
        ((problems, ""), (gained, inks[0]), (lost, inks[1]), *((way, "title") for way in both)),
    )


def flip_columns(one: PairWays) -> tuple[Column, ...]:
    return (
        Column("Problem", "name", least=12),
        Column(one.other, least=6),
        Column("Blame", least=24, most=60),
        Column("At step", least=8, most=60, rank=2),
        Column("Tried again", least=22, most=60, rank=1),
    )


def flip_row(flip: Flip) -> TableRow:
    problem, outcome, blame, place, again = flip_cells(flip)
    ink = "muted" if flip.again is None else "success" if flip.again.is_told_apart else "warning"
    inks = ("", _OUTCOMES.get(outcome, "muted"), "title", "", ink)
    return TableRow(
        problem_name(flip.problem), tuple(zip((problem, outcome, blame, place, again), inks, strict=True))
    )


def choice_rows(experiments: Sequence[ExperimentRow], marked: Sequence[str]) -> list[TableRow]:
    """Every variant of every experiment, marked ones with their letter."""
    return [_choice(row, at, marked) for row in experiments for at in range(len(row.variants))]


def _choice(row: ExperimentRow, at: int, marked: Sequence[str]) -> TableRow:
    state = row.variants[at]
    key = f"{row.name}:{state.label}"
    rate = "–" if state.pass_rate is None else f"{state.pass_rate * 100:.0f}%"
    cells: tuple[Piece, ...] = (
        mark(key, marked),
        (one_line(row.name, 200), "title" if at == 0 else "muted"),
        (one_line(state.label, 200), ""),
        (f"{state.done}/{state.total}", "muted"),
        (rate, ""),
        (one_line(row.benchmark.rpartition("/")[2], 40), "muted"),
    )
    return TableRow(key, cells)


def mark(key: str, marked: Sequence[str]) -> Piece:
    """The letter that a marked row has in the comparison to come."""
    return ("ABCD"[marked.index(key)], "accent") if key in marked else ("", "")
