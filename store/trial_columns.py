"""The trials of a variant as columns: what a comparison computes with, without an object for each trial."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from engine.experiments.keys import DONE, TrialKey
from store.errors import OF_DAMAGE
from store.reading import ReadConnection
from store.trial_rows import RunUsage, TrialRow, operators_in
from store.usage import Usage, paid_before

if TYPE_CHECKING:
    import numpy as np

STATUSES = (*DONE, "infra", "running", "")  # the last one stands for every other
_CODES = {status: code for code, status in enumerate(STATUSES)}
_USED = tuple(
    f"{role}_{what}"
    for role in ("meta", "worker")
    for what in ("calls", "tokens_in", "tokens_out", "cost_usd", "latency_ms")
)
_NUMBERS = ("score", "val_score", "ran_as_written", "wall_ms", *_USED)
_TEXTS = ("problem_id", "run_id", "status", "workflow_id", "steps")
_FIELDS = (*_TEXTS, "repeat", *_NUMBERS)
_STEPS, _REPEAT = _FIELDS.index("steps"), _FIELDS.index("repeat")
_steps_of = itemgetter(_STEPS)
_PAID = ("tokens_in", "tokens_out", "cost_usd", "latency_ms")
_Row = tuple[Any, ...]
_SELECT = f"""
    SELECT {{}}, t.run_id, r.status, r.workflow_id, u.operators, t.repeat,
      r.score, r.val_score, r.strict, r.wall_ms, {", ".join(f"u.{name}" for name in _USED)}
    FROM trials t CROSS JOIN runs r ON r.id = t.run_id
    LEFT JOIN usage u ON u.run_id = t.run_id
    WHERE t.experiment = ? AND t.label {{}}"""
_PLAIN, _UNREAD = _SELECT.format("t.problem_id", "= ?"), _SELECT.format("t.trial", "IS NULL")
_COMPLEXITIES = "SELECT id, complexity FROM workflows WHERE id IN (SELECT value FROM json_each(?))"
_AT_ONCE = 2_000  # rows that are objects at the same time


@dataclass(frozen=True, eq=False)
class TrialColumns:
    """Trials, a place each in every column. `numbers` are by the name that `TrialRow` has for them, as floats
    that are NaN where a trial has none.

    `problem` are places in `problems`, `status` in `STATUSES`, `workflow` in `workflows` and `steps` in
    `kinds`, which are a run's steps by operator as JSON. Without a workflow the place is -1.
    """

    run_ids: list[str]
    problems: list[str]
    problem: np.ndarray
    status: np.ndarray
    workflows: list[str]
    workflow: np.ndarray
    kinds: list[str]
    steps: np.ndarray
    numbers: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.run_ids)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.numbers[name]

    def has(self, *statuses: str) -> np.ndarray:
        """Whether each trial's status is one of these."""
        import numpy as np

        return np.array([status in statuses for status in STATUSES])[self.status]

    @property
    def is_done(self) -> np.ndarray:
        """Whether each run ended by itself, so that the trial counts."""
        return self.has(*DONE)

    @property
    def done_ids(self) -> list[str]:
        """The runs that ended by themselves."""
        return [self.run_ids[place] for place in self.is_done.nonzero()[0].tolist()]

    @property
    def calls(self) -> np.ndarray:
        """Steps of all operators together."""
        import numpy as np

        return np.array([sum(operators_in(kind).values()) for kind in self.kinds], float)[self.steps]

    def take(self, places: np.ndarray) -> TrialColumns:
        """The trials at these places, in that order."""
        if len(places) == len(self) and (places[1:] > places[:-1]).all():
            return self  # all of them as they are
        return replace(
            self,
            run_ids=[self.run_ids[place] for place in places.tolist()],
            problem=self.problem[places],
            status=self.status[places],
            workflow=self.workflow[places],
            steps=self.steps[places],
            numbers={name: column[places] for name, column in self.numbers.items()},
        )


def joined(parts: Sequence[TrialColumns]) -> TrialColumns:
    """The trials of all parts, one after the other. Ids that several parts have are listed several times."""
    import numpy as np

    if len(parts) == 1:
        return parts[0]

    def shifted(columns: Sequence[np.ndarray], names: Sequence[Sequence[str]]) -> np.ndarray:
        starts = np.cumsum([0, *map(len, names)])
        moved = [np.where(c < 0, c, c + s) for c, s in zip(columns, starts, strict=False)]
        return np.concatenate(moved)

    problems, workflows = [p.problems for p in parts], [p.workflows for p in parts]
    kinds = [p.kinds for p in parts]
    return TrialColumns(
        [run_id for part in parts for run_id in part.run_ids],
        [name for of_part in problems for name in of_part],
        shifted([p.problem for p in parts], problems),
        np.concatenate([p.status for p in parts]),
        [name for of_part in workflows for name in of_part],
        shifted([p.workflow for p in parts], workflows),
        [kind for of_part in kinds for kind in of_part],
        shifted([p.steps for p in parts], kinds),
        {name: np.concatenate([p[name] for p in parts]) for name in parts[0].numbers},
    )


def columns_of(row: TrialRow) -> TrialColumns:
    """The columns of one trial."""
    made = _Columns([row.problem_id])
    made.add([tuple(getattr(row, name) for name in _FIELDS)])
    if row.workflow_id is None or row.complexity is None:
        return made.done({})
    return made.done({row.workflow_id: row.complexity})


def read_columns(connection: ReadConnection, db: sqlite3.Connection, name: str, label: str) -> TrialColumns:
    """The trials of a variant that were attempted, by repeat and problem as planned. Damaged ones are left
    out and counted, as in `store.trial_rows.trials`.
    """
    plan = db.execute("SELECT plan FROM experiments WHERE name = ?", (name,)).fetchone()
    made = _Columns(json.loads(plan[0])["problems"] if plan else [])

    def add(rows: list[_Row]) -> None:
        try:
            made.add(rows)
        except OF_DAMAGE:
            made.add(connection.intact(rows, _checked, lambda row: (name, _key(label, row))))

    live: list[_Row] = []
    cursor = db.execute(_PLAIN, (name, label))
    while rows := cursor.fetchmany(_AT_ONCE):
        if None in map(_steps_of, rows):
            live += [row for row in rows if row[_STEPS] is None]
            rows = [row for row in rows if row[_STEPS] is not None]
        add(rows)
    named = connection.intact(db.execute(_UNREAD, (name,)), _named, lambda row: (name, row[0]))
    others = [row for key, row in named if key.label == label]
    live += [row for row in others if row[_STEPS] is None]
    add([row for row in others if row[_STEPS] is not None])
    if live:
        used = RunUsage.by(db, "SELECT value FROM json_each(?)", json.dumps([row[1] for row in live]))
        add([_so_far(row, used) for row in live])
    complexities = db.execute(_COMPLEXITIES, (json.dumps(made.workflows),))
    columns = made.done(dict(connection.intact(complexities, _complexity, lambda row: row[0])))
    _pay(columns, paid_before(db, name))
    return columns


def _complexity(row: tuple[str, Any]) -> tuple[str, float]:
    return row[0], float(row[1])


def _key(label: str, row: _Row) -> str:
    return str(TrialKey(label, row[0], row[_REPEAT]))


def _named(row: _Row) -> tuple[TrialKey, _Row]:
    """The name of a trial that SQLite could not take apart, and its row. Raises ValueError for no name."""
    key = TrialKey.parse(row[0])
    return key, (key.problem_id, *row[1:_REPEAT], key.repeat, *row[_REPEAT + 1 :])


def _so_far(row: _Row, used: RunUsage) -> _Row:
    """The row of a run that is under way, with what it has used until now."""
    values, steps = used.of(row[1])
    calls = (*values[:5], *values[6:11])  # all but the sums of durations
    return (*row[:_STEPS], steps, *row[_REPEAT : -len(_USED)], *calls)


def _checked(row: _Row) -> _Row:
    """The row, if it can be made a trial; raises one of `OF_DAMAGE` where it cannot."""
    _Columns().add([row])
    return row


def _pay(columns: TrialColumns, paid: dict[tuple[str, str], Usage]) -> None:
    """Add what the unfinished attempts that runs go on from paid for; what is unknown stays so."""
    for place, run_id in enumerate(columns.run_ids) if paid else ():
        for role in ("meta", "worker"):
            if (before := paid.get((run_id, role))) is not None:
                for what in _PAID:
                    value = getattr(before, what)
                    columns[f"{role}_{what}"][place] += math.nan if value is None else value


class _Places(dict[Any, int]):
    """A place for each name, in the order in which they come; None has the place -1."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        super().__init__({None: -1})
        self.update(zip(dict.fromkeys(names), count()))

    def __missing__(self, name: str) -> int:
        place = self[name] = len(self) - 1
        return place

    @property
    def names(self) -> list[str]:
        return list(self)[1:]


class _Columns:
    """Columns that rows are added to, as `_FIELDS` says."""

    def __init__(self, planned: Sequence[str] = ()) -> None:
        self._problems, self._workflows, self._kinds = _Places(planned), _Places(), _Places()
        self._planned = len(self._problems.names)
        self._run_ids: list[str] = []
        self._places: list[np.ndarray] = []
        self._numbers: list[np.ndarray] = []

    def add(self, rows: Sequence[_Row]) -> None:
        """Add rows, or none of them where one is damaged: then one of `OF_DAMAGE` is raised."""
        import numpy as np

        if not rows:
            return
        problems, run_ids, statuses, workflows, steps, *numbers = zip(*rows, strict=True)
        for kind in set(steps) - self._kinds.keys():
            float(sum(operators_in(kind).values()))
        shape = (-1, len(rows))
        columns = np.fromiter(chain.from_iterable(numbers), float).reshape(shape)
        others = len(STATUSES) - 1
        places = chain(
            map(self._problems.__getitem__, problems),
            (_CODES.get(status, others) for status in statuses),
            map(self._workflows.__getitem__, workflows),
            map(self._kinds.__getitem__, steps),
        )
        self._places.append(np.fromiter(places, int).reshape(shape))
        self._numbers.append(columns)
        self._run_ids += run_ids

    @property
    def workflows(self) -> list[str]:
        return self._workflows.names

    def done(self, complexities: Mapping[str, float]) -> TrialColumns:
        """What was added, by repeat and problem as planned; problems that are not come last. `complexities`
        are those of the workflows that are known.
        """
        import numpy as np

        problem, status, workflow, steps = np.concatenate([np.empty((4, 0), int), *self._places], axis=1)
        none = np.empty((1 + len(_NUMBERS), 0))
        repeat, *numbers = np.concatenate([none, *self._numbers], axis=1)
        self._places, self._numbers = [], []
        of_workflows = [complexities.get(name, math.nan) for name in self.workflows]
        complexity = np.array([*of_workflows, math.nan])[workflow]  # without one it is the last, at -1
        order = np.lexsort((np.minimum(problem, self._planned), repeat))
        return TrialColumns(
            self._run_ids,
            self._problems.names,
            problem,
            status,
            self.workflows,
            workflow,
            self._kinds.names,
            steps,
            {**dict(zip(_NUMBERS, numbers, strict=True)), "complexity": complexity},
        ).take(order)
