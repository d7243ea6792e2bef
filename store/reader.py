"""Reading the store: which runs there are, their events as they happened, and what they were made of.

What else there is to know about runs has readers of its own on the same connection: `failures`,
`annotations`, `experiments`, `costs`, `jobs` and `ways`, imported when they are first used. Every query is
short and on a read-only connection, so that a reader never holds up a recorder. A missing file reads as an
empty store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from engine.events import Event, ModelCallFinished, ModelCallStarted
from store import blobs, bundles, interrupted, payloads, stalls
from store import search as fulltext
from store.errors import AmbiguousRunError, RunNotFoundError, StoreError, no_run
from store.reading import ReadConnection
from store.rows import (
    Cursor,
    Forked,
    ModelCall,
    RunFacts,
    RunPage,
    RunRow,
    SearchHit,
    Stats,
    StepRow,
    StoredWorkflow,
)
from store.run_conditions import in_cluster, source_of
from store.run_filter import RunFilter
from store.selected import (
    RUN_COLUMNS,
    RUN_JOINS,
    SELECT_STEPS,
    cursor_of,
    model_call_of,
    run_id_of,
    run_of,
    step_of,
)
from store.stalls import Wait

if TYPE_CHECKING:
    from store.annotations import AnnotationReader
    from store.costs import CostReader
    from store.experiment_reader import ExperimentReader
    from store.facets import Facets
    from store.failures import FailureReader, Grouping
    from store.jobs.reading import JobReader
    from store.way_reader import WayReader

_CHUNK_ROWS = 100
_PAGE_RUNS = 500
_LAST_CHARACTER = "\U0010ffff"
_CALLS = ("model_call_started", "model_call_finished")
_OF_TRAJECTORY = ("run_started", "workflow_proposed", "round_finished", "run_finished", *_CALLS)


class Reader:
    """Reads one store. Safe to share between threads; close it, or use it as a context manager.

    Every method raises StoreError where the file cannot be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._connection = ReadConnection(path)
        self._version: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; the next call opens it again."""
        self._connection.close()

    @cached_property
    def annotations(self) -> AnnotationReader:
        """What people said about runs."""
        from store.annotations import AnnotationReader

        return AnnotationReader(self._connection)

    @cached_property
    def failures(self) -> FailureReader:
        """Why runs failed."""
        from store.failures import FailureReader

        return FailureReader(self._connection, self.annotations)

    @cached_property
    def experiments(self) -> ExperimentReader:
        """Experiments and their trials."""
        from store.experiment_reader import ExperimentReader

        return ExperimentReader(self._connection)

    @cached_property
    def costs(self) -> CostReader:
        """What runs cost."""
        from store.costs import CostReader

        return CostReader(self._connection)

    @cached_property
    def jobs(self) -> JobReader:
        """Training jobs."""
        from store.jobs.reading import JobReader

        return JobReader(self._connection)

    @cached_property
    def ways(self) -> WayReader:
        """How runs worked."""
        from store.way_reader import WayReader

        return WayReader(self._connection)

    @property
    def damaged(self) -> int:
        """How many rows were left out of lists so far, because they could not be read."""
        return self._connection.damaged

    def version(self) -> int | None:
        """A number that changes with every write of another connection; None while there is no store."""
        return self._connection.version()

    def changed(self) -> bool:
        """Whether another connection has written since the last call; true at first, false with no store."""
        version = self.version()
        before, self._version = self._version, version
        return version is not None and version != before

    def runs(
        self,
        *,
        failed: bool = False,
        search: str | None = None,
        variant: str | None = None,
        status: str | None = None,
        benchmark: str | None = None,
        experiment: str | None = None,
        job: str | None = None,
        label: str | None = None,
        bookmark: bool = False,
        training_set: str | None = None,
        cluster: tuple[Grouping, str] | None = None,
        limit: int = 100,
        before: Cursor | None = None,
    ) -> RunPage:
        """Runs that meet every given condition, newest first; pass `next_cursor` as `before` for more.

        Rollouts of training jobs are left out, except those of the `job` or `training_set` asked for.
        `search` is words that the run's texts must hold, `cluster` a grouping and a cluster's key in it;
        `limit` counts rows.
        """
        wanted = RunFilter(search, status, variant, benchmark, experiment, job, label, training_set, bookmark)
        is_partial, run_ids = False, None
        with self._connection.taken() as db:
            if search and search.strip():
                run_ids, is_partial = fulltext.matching_runs(db, search)
            source = source_of(db, wanted, failed=failed, cluster=cluster, run_ids=run_ids)
            if before is not None:
                source.conditions.append(f"({source.started_at}, {source.id}) < (?, ?)")
                source.values.extend(before)
            fetched = db.execute(source.sql(RUN_COLUMNS, RUN_JOINS), (*source.values, limit + 1)).fetchall()
            page = self._connection.intact(fetched[:limit], run_of, run_id_of)
        last = fetched[limit - 1] if len(fetched) > limit else None
        return RunPage(tuple(page), cursor_of(last) if last else None, is_partial)

    def every_run(self, limit: int | None = None, **wanted: Any) -> Iterator[RunRow]:
        """The runs that meet every condition of `runs`, newest first, a page in memory at a time.

        `limit` counts rows. Runs that start meanwhile are left out.
        """
        before, left = None, limit
        while left is None or left > 0:
            size = _PAGE_RUNS if left is None else min(left, _PAGE_RUNS)
            page = self.runs(limit=size, before=before, **wanted)
            yield from page.rows
            before, left = page.next_cursor, None if left is None else left - size
            if before is None:
                return

    def facets(self, wanted: RunFilter, *, failed: bool = False) -> Facets:
        """What the runs of a filter are, counted (`store.facets`)."""
        from store.facets import facets

        return facets(self._connection, wanted, failed=failed)

    def run(self, run_id: str) -> RunRow:
        """The run of this id or unique beginning of one; "last" is the newest.

        Raises:
            RunNotFoundError, AmbiguousRunError: no run, or several, are meant.
        """
        if run_id == "last":
            newest = self.runs(limit=1).rows
            if not newest:
                raise RunNotFoundError(f"The store {self.path} holds no run yet; start one first.")
            return newest[0]
        if not run_id:
            raise no_run(run_id, self.path)
        with self._connection.taken() as db:
            within = "WHERE runs.id >= ? AND runs.id < ? ORDER BY runs.id LIMIT 2"
            query = f"SELECT {RUN_COLUMNS} FROM runs{RUN_JOINS} {within}"
            try:
                rows = [run_of(row) for row in db.execute(query, (run_id, run_id + _LAST_CHARACTER))]
            except UnicodeEncodeError:
                raise no_run(run_id, self.path) from None
        if not rows:
            raise no_run(run_id, self.path)
        if len(rows) > 1 and rows[0].id != run_id:
            raise AmbiguousRunError(
                f"Several runs begin with {run_id!r} ({rows[0].id}, {rows[1].id}, …); give more of the id."
            )
        return rows[0]

    def forks(
        self, *, cluster: tuple[Grouping, str] | None = None, of: str | None = None, limit: int = 100
    ) -> list[Forked]:
        """Runs of a `cluster`, or the run `of`, beside their forks and reruns; the newest `limit` of these,
        newest first. Grids of playgrounds are none.
        """
        from engine.playground.plan import VARIANT as PLAYGROUND

        wanted, values = in_cluster(*cluster) if cluster is not None else ("runs.id = ?", (of,))
        # From the forks, which are few, to the runs they are of: clusters may hold most of the store.
        query = (
            "SELECT o.run_id FROM origins o WHERE o.parent IS NOT NULL"
            f" AND EXISTS (SELECT 1 FROM runs WHERE runs.id = o.parent AND {wanted})"
        )
        ids = [run_id for (run_id,) in self._all(query, *values)]
        forks = [run for run in self._rows_of(ids) if run.variant != PLAYGROUND][:limit]
        parents = {run.id: run for run in self._rows_of([fork.parent for fork in forks])}
        return [Forked(parents[fork.parent], fork) for fork in forks if fork.parent in parents]

    def _rows_of(self, run_ids: Sequence[str | None]) -> list[RunRow]:
        where = (
            "WHERE runs.id IN (SELECT value FROM json_each(?)) ORDER BY runs.started_at DESC, runs.id DESC"
        )
        fetched = self._all(f"SELECT {RUN_COLUMNS} FROM runs{RUN_JOINS} {where}", json.dumps(run_ids))
        return self._connection.intact(fetched, run_of, run_id_of)

    def events(self, run_id: str, after_seq: int = -1, *, kinds: tuple[str, ...] = ()) -> Iterator[Event]:
        """The run's events after number `after_seq`, in order, a few hundred in memory at a time.

        With `kinds`, only those. Events that arrive while this runs are included; a run that is unknown has
        none.
        """
        after: int | None = after_seq
        while after is not None:
            with self._connection.taken() as db:
                chunk, after = bundles.page(db, run_id, after, kinds, _CHUNK_ROWS)
            yield from chunk

    def events_of_kind(self, run_id: str, *kinds: str) -> list[Event]:
        """The run's events of these kinds, in order."""
        with self._connection.taken() as db:
            rows = bundles.rows(db, run_id, kinds)
            return [event for row in rows for event in payloads.expand(db, row)]

    def ended_runs(self) -> list[str]:
        """The ids of all runs that have ended, oldest first."""
        query = "SELECT id FROM runs WHERE status <> 'running' ORDER BY started_at, id"
        return [run_id for (run_id,) in self._all(query)]

    def trajectory_events(self, run_id: str) -> list[Event]:
        """The events that `store.trajectories.trajectory_of` needs, in order."""
        query = "SELECT started_seq, finished_seq FROM model_calls WHERE run_id = ? AND role = 'meta'"
        with self._connection.taken() as db:
            # A run's calls of its worker are most of it, and no part of its trajectory.
            of_meta = {seq for pair in db.execute(query, (run_id,)) for seq in pair}
            rows = bundles.rows(db, run_id, _OF_TRAJECTORY)
            return [payloads.decode(db, row) for row in rows if row[3] not in _CALLS or row[1] in of_meta]

    def runs_of(self, problem_id: str, benchmark: str | None) -> list[str]:
        """Ids of the ended runs on a problem, the best on `val` first, then the oldest."""
        query = (
            "SELECT id FROM runs WHERE benchmark IS ? AND problem_id = ? AND status != 'running'"
            " ORDER BY val_score DESC NULLS LAST, started_at, id"
        )
        return [run_id for (run_id,) in self._all(query, benchmark, problem_id)]

    def event(self, run_id: str, seq: int) -> Event:
        """One event, such as the one that holds a step's inputs or output.

        Raises StoreError where there is none.
        """
        with self._connection.taken() as db:
            event = bundles.event_at(db, run_id, seq)
        if event is None:
            raise StoreError(f"Run {run_id} has no event {seq} in the store {self.path}.")
        return event

    def steps(self, run_id: str) -> tuple[StepRow, ...]:
        """The run's operator calls in the order they began, without inputs and outputs."""
        rows = self._all(f"{SELECT_STEPS} WHERE run_id = ? ORDER BY started_seq", run_id)
        return tuple(step_of(row) for row in rows)

    def model_calls(self, run_id: str) -> Iterator[ModelCall]:
        """The run's model calls in the order they began, with their texts, one in memory at a time."""
        query = (
            "SELECT finish, retries, tokens_in, tokens_out, cost_usd, ttft_ms, wall_ms,"
            " started_seq, finished_seq FROM model_calls WHERE run_id = ? ORDER BY started_seq"
        )
        for finish, *numbers, started_seq, finished_seq in self._all(query, run_id):
            started = self.event(run_id, started_seq)
            ended = None if finished_seq is None else self.event(run_id, finished_seq)
            assert isinstance(started, ModelCallStarted)
            assert ended is None or isinstance(ended, ModelCallFinished)
            yield model_call_of(started, ended, finish, numbers)

    def workflow(self, workflow_id: str) -> StoredWorkflow | None:
        """A generated workflow, None where the store does not hold it."""
        query = (
            "SELECT id, code_hash, prompts_hash, graph, complexity, first_seen FROM workflows WHERE id = ?"
        )
        with self._connection.taken() as db:
            row = db.execute(query, (workflow_id,)).fetchone()
            if row is None:
                return None
            code, prompts = blobs.get(db, row[1]), blobs.get(db, row[2])
            return StoredWorkflow(row[0], code, prompts, json.loads(row[3]), row[4], row[5])

    def workflow_id(self, beginning: str) -> str | None:
        """The id of the one generated workflow that begins so; None where there is none, or several."""
        query = "SELECT id FROM workflows WHERE id >= ? AND id < ? LIMIT 2"
        rows = self._all(query, beginning, beginning + "g") if beginning.isalnum() else []
        return rows[0][0] if len(rows) == 1 or (rows and rows[0][0] == beginning) else None

    def is_abandoned(self, run_id: str) -> bool:
        """Whether the run is without an end because the process that recorded it is gone."""
        with self._connection.taken() as db:
            return run_id in interrupted.abandoned(db)

    def run_facts(self, run_ids: Sequence[str]) -> list[RunFacts]:
        """What these runs were made with; runs that have all of it in common are one row."""
        # In the order of their ids, and one row of each kind before its configuration is looked up.
        query = """
            SELECT DISTINCT f.meta_agent, f.worker, f.seed, f.sandbox, f.tests_written_by, f.benchmark,
              v.config
            FROM (
              SELECT DISTINCT r.meta_agent, r.worker, r.seed, r.sandbox, r.tests_written_by, r.benchmark,
                r.variant_id
              FROM json_each(?) ids CROSS JOIN runs r ON r.id = ids.value
            ) f CROSS JOIN variants v ON v.id = f.variant_id"""
        with self._connection.taken() as db:
            rows = db.execute(query, (json.dumps(sorted(run_ids)),))
            return [
                RunFacts(meta, worker, seed, sandbox, by, benchmark, json.loads(config))
                for meta, worker, seed, sandbox, by, benchmark, config in rows
            ]

    def search(self, text: str, limit: int = 50) -> list[SearchHit]:
        """Queries, prompts, responses and reasoning that hold all words of `text`, the best `limit` first.

        Of very frequent words, only the newest texts are looked at (`store.search.MAX_HITS`).
        """
        with self._connection.taken() as db:
            return fulltext.search(db, text, limit)

    def usual_waits(self) -> dict[Wait, float]:
        """The usual upper end of each kind of wait, in seconds (`store.stalls.usual_waits`)."""
        with self._connection.taken() as db:
            return stalls.usual_waits(db)

    def newest_event(self) -> int:
        """A number that grows with every event that is stored.

        Unlike `changed`, it answers any number of callers.
        """
        return self._all("SELECT max(id) FROM events")[0][0] or 0

    def stats(self) -> Stats:
        """Counts of what is stored, and the size on disk in bytes."""
        tables = ("runs", "model_calls", "workflows", "blobs")
        (counts,) = self._all(f"SELECT {', '.join(f'(SELECT count(*) FROM {table})' for table in tables)}")
        log = self.path.with_name(self.path.name + "-wal")
        return Stats(*counts, file_bytes=sum(p.stat().st_size for p in (self.path, log) if p.exists()))

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._connection.taken() as db:
            return db.execute(query, values).fetchall()
