"""Which runs a data set is built from, and reading them as they may leave this machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.event_json import from_json
from store.exports.events import redact
from store.exports.redaction import redactor
from store.reader import Reader
from store.run_filter import RunFilter, parse_filter
from store.trajectories import Trajectory, trajectory_of
from training.data.options import DataError

if TYPE_CHECKING:
    from engine.config import Settings

_PAGE = 500


@dataclass(frozen=True)
class Source:
    """Runs of the settings' store.

    `wanted` is what `runs --search` takes, or the name of an experiment or a training set alone; "" is every
    run.
    """

    settings: Settings
    wanted: str


class OpenSource:
    """A source while it is read.

    Raises DataError where its name is both an experiment's and a training set's; every method raises
    StoreError where the store cannot be read.
    """

    def __init__(self, source: Source, reader: Reader) -> None:
        self._reader, self._redactor = reader, redactor(source.settings)
        self._filter = _resolved(source.wanted, reader)
        self.is_partial = False
        # Read once, not for each of their runs.
        self._of_search = lru_cache(maxsize=16)(reader.experiments.candidate_scores)
        self._of_job = lru_cache(maxsize=16)(reader.experiments.rollout_scores)

    def run_ids(self) -> list[str]:
        """The ids of the runs as of now, the oldest first."""
        ids, before = [], None
        conditions = dataclasses.asdict(self._filter)
        while True:
            page = self._reader.runs(limit=_PAGE, before=before, **conditions)
            ids += [row.id for row in page.rows]
            self.is_partial = self.is_partial or page.is_partial
            before = page.next_cursor
            if before is None:
                return ids[::-1]

    def trajectory(self, run_id: str) -> Trajectory | None:
        """A run, redacted; None where it has no end yet."""
        redacted = redact(iter(self._reader.trajectory_events(run_id)), self._redactor, {})
        trajectory = trajectory_of(map(from_json, redacted))
        return trajectory if trajectory is not None and trajectory.ended is not None else None

    def scores(self, trajectory: Trajectory) -> Mapping[str, float]:
        """The scores of a run's workflows for a task, by workflow id, for `training.data.attempts`."""
        origin = trajectory.started.origin
        if origin.get("stage") == "search" and (name := origin.get("experiment")):
            return self._of_search(name)
        return self._of_job(origin["job"]) if origin.get("job") else {}

    def others(self, run_id: str, problem_id: str, benchmark: str | None) -> Iterator[Trajectory]:
        """The other runs on a problem, the best first."""
        for other in self._reader.runs_of(problem_id, benchmark):
            if other != run_id and (trajectory := self.trajectory(other)) is not None:
                yield trajectory


def _resolved(wanted: str, reader: Reader) -> RunFilter:
    """What `wanted` means. Raises DataError where it names an experiment and a training set."""
    name = wanted.strip()
    parsed = parse_filter(name)
    if parsed != RunFilter(search=name):
        return parsed
    experiment = any(row.name == name for row in reader.experiments.all())
    in_set = any(value == name for value, _ in reader.annotations.values("training-set"))
    if experiment and in_set:
        raise DataError(
            f"{name} is an experiment and a training set; say experiment:{name} or training-set:{name}"
        )
    if experiment:
        return RunFilter(experiment=name)
    return RunFilter(training_set=name) if in_set else parsed
