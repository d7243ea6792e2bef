"""Reading the store: its runs, and what there is about them: experiments, failures, annotations, search."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.experiments.tally import Attempt
from engine.failures import Finding
from store import annotations as remarks
from store import costs, stalls
from store import experiment_reader as in_experiments
from store import failures as in_failures
from store import search as fulltext
from store.annotations import Annotation, Kind
from store.costs import RunCost
from store.errors import StoreError
from store.experiment_reader import ExperimentRow, TrialRow
from store.failures import Clusters, Grouping, Peek
from store.rows import (
    RunFacts,
    SearchHit,
    Stats,
)
from store.run_reader import RunReader
from store.usage import SearchUsage, searches_of


class Reader(RunReader):
    """Reads one store (`store.run_reader`), beyond its runs too."""

    def failures(
        self,
        by: Grouping = "signature",
        *,
        experiment: str | None = None,
        since: float | None = None,
        limit: int = 100,
    ) -> Clusters:
        """Failed runs in clusters, the largest first; `since` is Unix seconds."""
        with self._reading() as db:
            return in_failures.clusters(db, by, experiment, since, limit) if db else Clusters((), 0)

    def peek(self, run_id: str) -> Peek:
        """A failed run at a glance."""
        with self._reading() as db:
            if db is None:
                raise self._no_run(run_id)
            return in_failures.peek(db, run_id)

    def unclassified(self, limit: int = -1) -> list[str]:
        """Failed runs that the classifier has not seen, newest first; -1 is all."""
        with self._reading() as db:
            return remarks.unclassified(db, limit) if db else []

    def findings(self, run_id: str) -> tuple[Finding, ...]:
        """What the classifier found in a run, but for what a person took away."""
        with self._reading() as db:
            return remarks.findings(db, run_id) if db else ()

    def annotations(self, run_ids: Sequence[str]) -> dict[str, list[Annotation]]:
        """What is said of these runs, by run."""
        with self._reading() as db:
            return remarks.annotations_of(db, run_ids) if db else {}

    def annotation_values(self, kind: Kind) -> list[tuple[str, int]]:
        """The labels, or training sets, there are, with how many runs each has."""
        with self._reading() as db:
            return remarks.values(db, kind) if db else []

    def experiments(self) -> list[ExperimentRow]:
        """All experiments, newest first."""
        with self._reading() as db:
            return in_experiments.experiments(db) if db else []

    def experiment(self, name: str) -> ExperimentRow:
        """The experiment of this name. Raises StoreError where there is none."""
        with self._reading() as db:
            rows = in_experiments.experiments(db, name) if db else []
        if not rows:
            raise StoreError(
                f"There is no experiment {name!r} in the store {self.path}; list them with `experiments`."
            )
        return rows[0]

    def trials(self, name: str) -> list[TrialRow]:
        """The experiment's attempted trials, one row each, by repeat, problem and variant."""
        with self._reading() as db:
            return in_experiments.trials(db, name) if db else []

    def trial_of(self, run_id: str) -> TrialRow:
        """A run of the store as the only trial of its variant. Raises RunNotFoundError."""
        run_id = self.run(run_id).id
        with self._reading() as db:
            if db is None:
                raise self._no_run(run_id)
            return in_experiments.trial_of(db, run_id)

    def run_facts(self, run_ids: Sequence[str]) -> list[RunFacts]:
        """What these runs were made with; runs with all of it in common are one row."""
        query = (
            "SELECT DISTINCT r.meta_agent, r.worker, r.seed, r.sandbox, r.tests_written_by, r.benchmark,"
            " v.config FROM runs r JOIN variants v ON v.id = r.variant_id"
            " WHERE r.id IN (SELECT value FROM json_each(?))"
        )
        rows = self._all(query, json.dumps(run_ids))
        return [
            RunFacts(meta, worker, seed, sandbox, by, benchmark, json.loads(config))
            for meta, worker, seed, sandbox, by, benchmark, config in rows
        ]

    def searches(self, name: str) -> dict[str, SearchUsage]:
        """What the searches of an experiment used, by the variant's label."""
        with self._reading() as db:
            return searches_of(db, name) if db else {}

    def attempts(self, name: str) -> dict[str, Attempt]:
        """The reported attempt of each attempted trial of the experiment, by trial key."""
        with self._reading() as db:
            return in_experiments.attempts(db, name) if db else {}

    def mean_cost(self, **like: Any) -> RunCost | None:
        """What earlier runs like this took; the conditions are those of `store.costs.mean_cost`."""
        with self._reading() as db:
            return costs.mean_cost(db, **like) if db else None

    def search_cost(self, label: str, meta_agent: str, worker: str) -> RunCost | None:
        """What earlier searches of this label took (`store.costs.search_cost`)."""
        with self._reading() as db:
            return costs.search_cost(db, label, meta_agent, worker) if db else None

    def recorded(self, name: str, step: str) -> dict[str, Any]:
        """What the searches of an experiment recorded as this step of theirs, by the variant's label."""
        with self._reading() as db:
            return in_experiments.recorded(db, name, step) if db else {}

    def candidate_scores(self, name: str) -> dict[str, float]:
        """Of the workflows that the searches of an experiment tried: the share of trials that were solved.

        By workflow id, in [0, 1]; trials without a verdict, as where the sandbox failed, count neither way.
        """
        query = (
            "SELECT r.workflow_id, avg(r.score >= 1.0) FROM origins o JOIN runs r ON r.id = o.run_id"
            " WHERE o.experiment = ? AND o.stage = 'search' AND r.score IS NOT NULL"
            " AND r.workflow_id IS NOT NULL GROUP BY r.workflow_id"
        )
        return dict(self._all(query, name))

    def rollout_scores(self, job: str) -> dict[str, float]:
        """Of the workflows that a training job wrote for tasks: the share of instances that were solved.

        As `candidate_scores`, but on the split that the instances' rewards are of, and a run that came to no
        verdict by its own doing, as by its budget, solved nothing.
        """
        query = (
            "SELECT r.workflow_id, avg(coalesce(r.val_score, 0.0) >= 1.0) FROM runs r WHERE r.job = ?"
            " AND r.workflow_id IS NOT NULL AND (r.val_score IS NOT NULL OR r.status NOT IN"
            " ('infra', 'error', 'cancelled', 'interrupted', 'running'))"
            " AND NOT EXISTS (SELECT 1 FROM model_calls m WHERE m.run_id = r.id AND m.role = 'meta')"
            " GROUP BY r.workflow_id"
        )
        return dict(self._all(query, job))

    def found(self, name: str) -> dict[str, dict[str, Any]]:
        """What the searches of an experiment found, by the variant's label."""
        with self._reading() as db:
            return in_experiments.found(db, name) if db else {}

    def search(self, text: str, limit: int = 50) -> list[SearchHit]:
        """Queries, prompts, responses and reasoning with all words of `text`, best first."""
        with self._reading() as db:
            return fulltext.search(db, text, limit) if db else []

    def usual_waits(self) -> dict[tuple[str, str], float]:
        """How many seconds waits usually take at most (`store.stalls.usual_waits`)."""
        with self._reading() as db:
            return stalls.usual_waits(db) if db else {}

    def newest_event(self) -> int:
        """A number that grows with every event that is stored; unlike `changed`, for any number of askers."""
        return self._all("SELECT max(id) FROM events", empty=(0,))[0][0] or 0

    def stats(self) -> Stats:
        """Counts of what is stored, and the size on disk."""
        tables = ("runs", "events", "model_calls", "workflows", "blobs")
        counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
        (row,) = self._all(f"SELECT {counts}", empty=(0,) * len(tables))
        log = self.path.with_name(self.path.name + "-wal")
        return Stats(*row, file_bytes=sum(p.stat().st_size for p in (self.path, log) if p.exists()))
