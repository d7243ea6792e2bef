"""What is compared: names on the command line or marked rows, read from the store as sides.

A side is an experiment's variant (`EXPERIMENT:LABEL`), a run, or several of these joined by `+`, such as
one variant on several benchmarks. The name of an experiment alone stands for each of its variants.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.judging import told
from sandbox.errors import UsageError
from store.compare import FEWEST, MOST
from store.compare.replies import Replies, read_replies
from store.errors import RunNotFoundError, StoreError
from store.leaks import jobs_of, leaks
from store.trial_columns import TrialColumns, columns_of

if TYPE_CHECKING:
    from store.experiment_reader import ExperimentRow
    from store.reader import Reader
    from store.rows import RunFacts
    from store.usage import SearchUsage

NamedParts = tuple[str, "tuple[Part, ...]"]  # a side without its letter

_LOOKED_AT = 200  # runs of a side whose verdicts are read for how they were reached


class CompareError(UsageError):
    """What was named cannot be compared; the message says what to do."""


@dataclass(frozen=True)
class Part:
    """A variant of an experiment, or a run. `planned` counts the trials there are to be; `replies` are the
    meta-agent's in done trials and in the search, `leaks` say which problems the variant had seen
    (`store.leaks`).

    `facts` are settings by name, nested ones with dots; several values of one are joined by commas.
    """

    name: str
    label: str
    benchmark: str
    is_run: bool
    trials: TrialColumns
    planned: int
    facts: Mapping[str, str] = field(default_factory=dict)
    search: SearchUsage | None = None
    replies: Replies = field(default_factory=Replies)
    leaks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """One column of a comparison. `letter` is what it is called in it, A being the baseline."""

    letter: str
    name: str
    parts: tuple[Part, ...]

    @property
    def is_run(self) -> bool:
        """Whether this side is one run, rather than the trials of a variant."""
        return len(self.parts) == 1 and self.parts[0].is_run

    @property
    def run_id(self) -> str:
        """The id of the run that this side is. Only where `is_run`."""
        return self.parts[0].trials.run_ids[0]

    @property
    def title(self) -> str:
        """The name; for a run also its variant and problem."""
        if not self.is_run:
            return self.name
        return f"{self.name}  {self.parts[0].label} on {self.parts[0].trials.problems[0]}"

    @property
    def facts(self) -> dict[str, str]:
        """The settings of all parts."""
        keys = dict.fromkeys(key for part in self.parts for key in part.facts)
        return {key: _joined(part.facts.get(key, "") for part in self.parts) for key in keys}


def read_sides(reader: Reader, names: Sequence[str]) -> tuple[Side, ...]:
    """The sides that `names` stand for, in their order, the first being the baseline.

    Raises:
        CompareError: fewer than two sides, more than four, one of them twice, or no such variant.
        StoreError: no such experiment or run, or the store cannot be read.
    """
    return lettered([side for name in names for side in read_named(reader, name)])


def read_named(reader: Reader, name: str) -> list[NamedParts]:
    """The sides that one name stands for. Raises as `read_sides` does."""
    return _Names(reader).sides(name)


def lettered(named: Sequence[NamedParts]) -> tuple[Side, ...]:
    """Two to four sides, in their order. Raises CompareError where there are not so many different ones."""
    if len(named) < FEWEST:
        raise CompareError("name two to four experiments, variants (EXPERIMENT:LABEL) or runs to compare")
    if len(named) > MOST:
        some = ", ".join(name for name, _ in named[: MOST + 1])
        raise CompareError(
            f"at most {MOST} can be compared, these are {len(named)} ({some}, …);"
            " name variants as EXPERIMENT:LABEL"
        )
    names = [name for name, _ in named]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise CompareError(f"{twice} is named twice; there is nothing to compare with itself")
    return tuple(Side("ABCD"[i], name, parts) for i, (name, parts) in enumerate(named))


class _Names:
    """Looks names up: experiments first, then runs."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def sides(self, name: str) -> list[NamedParts]:
        try:
            return [(_name(part), (part,)) for part in self._parts(name)]
        except (StoreError, CompareError):
            if "+" not in name:
                raise
        joined: list[Part] = []
        for piece in name.split("+"):
            parts = self._parts(piece.strip())
            if len(parts) > 1:
                raise CompareError(f"{piece} has several variants; say which, as in {_name(parts[0])}")
            joined += parts
        return [("+".join(map(_name, joined)), tuple(joined))]

    def _parts(self, name: str) -> list[Part]:
        experiment_name, colon, label = name.partition(":")
        experiment = self._experiment(experiment_name)
        if experiment is None:
            if colon and experiment_name.isascii():
                self._reader.experiments.named(experiment_name)  # raises: there is none
            return [self._run(name)]
        labels = list(experiment.plan["variants"])
        if colon and label not in labels:
            alike = [full_label for full_label in labels if full_label.partition(",")[0] == label]
            if len(alike) != 1:
                raise CompareError(
                    f"{experiment_name} has no variant {label[:80]!r}; it has {', '.join(labels)}"
                )
            label = alike[0]
        return [self._variant(experiment, one) for one in ([label] if colon else labels)]

    def _experiment(self, name: str) -> ExperimentRow | None:
        if not name.isascii():
            return None
        try:
            return self._reader.experiments.named(name)
        except StoreError:  # a store that cannot be read is reported when the run of this name is looked for
            return None

    def _variant(self, experiment: ExperimentRow, label: str) -> Part:
        plan = experiment.plan
        trials = self._reader.experiments.columns(experiment.name, label)
        keys = ("split", "repeats", "digest")
        facts = {"variant": label} | {key: str(plan[key]) for key in keys if plan.get(key) is not None}
        facts |= self._facts(trials.run_ids)
        search, search_ids = self._search(plan, label)
        replies = read_replies(self._reader, trials.done_ids, search_ids)
        asks_meta = replies.answered > 0
        is_trained = bool(
            jobs_of(plan, label, asks_meta=asks_meta)
        )  # else there is no need for the questions
        asked = self._reader.experiments.questions(experiment.name) if is_trained else set[tuple[str, str]]()
        seen = leaks(self._reader, plan, label, asked, searches=search is not None, asks_meta=asks_meta)
        return Part(
            experiment.name,
            label,
            Path(experiment.benchmark).stem if "/" in experiment.benchmark else experiment.benchmark,
            False,
            trials,
            len(plan["problems"]) * plan["repeats"],
            {"benchmark": experiment.benchmark} | facts,
            search,
            replies,
            tuple(seen),
        )

    def _search(self, plan: Mapping[str, Any], label: str) -> tuple[SearchUsage | None, list[str]]:
        """What the variant's search used, wherever it was carried out, and the runs that it was."""
        source, _, source_label = (plan.get("found") or "").partition(":")
        name = source or plan["name"]
        searches = self._reader.experiments.searches(name)
        wanted = source_label or label
        alike = [s for s in searches if s.partition(",")[0] == label.partition(",")[0]]
        if source and wanted not in searches and len(alike) == 1:
            wanted = alike[0]
        return searches.get(wanted), self._reader.experiments.search_runs(name).get(wanted, [])

    def _run(self, name: str) -> Part:
        try:
            run = self._reader.run(name)
        except RunNotFoundError:
            raise RunNotFoundError(
                f"There is neither an experiment {name[:80]!r} nor a run that begins so in the store"
                f" {self._reader.path}; list them with `experiments` and `runs`."
            ) from None
        facts = {"benchmark": run.benchmark or "", "problem": run.problem_id, "variant": run.variant}
        facts |= self._facts([run.id])
        trials = columns_of(self._reader.experiments.trial_of(run.id))
        replies = read_replies(self._reader, trials.done_ids)
        return Part(run.id, run.variant, run.benchmark or "", True, trials, 1, facts, None, replies)

    def _facts(self, run_ids: Sequence[str]) -> dict[str, str]:
        rows = self._reader.run_facts(run_ids)
        facts = {
            "meta_agent": _joined(row.meta_agent for row in rows),
            "worker": _joined(row.worker for row in rows),
            "seed": _joined(str(row.seed) for row in rows),
            "sandbox": _joined(row.sandbox for row in rows),
            "tests written by": _joined(row.tests_written_by or "" for row in rows),
            **self._judged(run_ids),
        }
        return {key: value for key, value in facts.items() if value} | _config(rows)

    def _judged(self, run_ids: Sequence[str]) -> dict[str, str]:
        """What the first of the runs were scored by, and in which modes their tests were judged."""
        metric, modes = "", dict[str, None]()
        for run_id in run_ids[:_LOOKED_AT]:
            for event in self._reader.events_of_kind(run_id, "evaluation_finished"):
                verdict = getattr(event, "verdict", {})
                metric = metric or str(verdict.get("metric") or "tests")
                if told(verdict.get("mode")):
                    modes[str(verdict["mode"])] = None
        return {"judge": metric, "judged": _joined(sorted(modes))}


def _name(part: Part) -> str:
    return part.name if part.is_run else f"{part.name}:{part.label}"


def _config(rows: Iterable[RunFacts]) -> dict[str, str]:
    """The runs' options, flat.

    A seed is each run's own and is a setting by itself; what a run calls repeats are called executions, so
    that they are not taken for an experiment's.
    """
    values: dict[str, dict[str, None]] = {}
    for row in rows:
        options = {"executions" if k == "repeats" else k: v for k, v in row.config.items() if k != "seed"}
        for key, value in flat(options).items():
            values.setdefault(key, {})[value] = None
    return {key: _joined(texts) for key, texts in values.items()}


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as texts by dotted name: {"a": {"b": 1}} is {"a.b": "1"}. None is left out."""
    settings: dict[str, str] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            settings |= flat(value, f"{prefix}{key}.")
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
            settings[f"{prefix}{key}"] = text
    return settings


def _joined(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))
