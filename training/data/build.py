"""Build a data set from stored runs: read, filter, choose, write; whole or not at all."""

from __future__ import annotations

import errno
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.problems import SPLITS
from engine.secrets import in_texts
from store.exports.dataset import write_dataset
from store.exports.files import new_folder
from store.reader import Reader
from store.texts import plain
from store.trajectories import Trajectory
from training.data.candidates import KindOfData, Reading, Row, benchmark_of, key
from training.data.card import card
from training.data.contamination import Contamination, contamination
from training.data.dpo import DPO
from training.data.grpo import GRPO
from training.data.hidden_tests import Assertions, asserted_in, of_splits, tokenised
from training.data.options import BuildOptions, DataError, Kind, checked
from training.data.repair import REPAIR
from training.data.report import Report
from training.data.serialise import IGNORED, RowError, tokens
from training.data.sft import SFT
from training.data.source import OpenSource, Source
from training.data.spool import Spool
from training.data.students import load_tokenizer

KINDS: dict[Kind, KindOfData] = {"sft": SFT, "grpo": GRPO, "dpo": DPO, "repair": REPAIR}
CARD, REPORT = "card.md", "report.json"
_STEPS = 20  # runs, or rows, between two reports of progress


@dataclass(frozen=True)
class Progress:
    """How far a build is: `done` of `total` runs read, or rows written; the total is None while unknown."""

    phase: Literal["reading", "writing"]
    done: int
    total: int | None


def build(
    kind: Kind,
    source: Source,
    out: Path,
    options: BuildOptions | None = None,
    *,
    force: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Write the folder `out`: rows for `datasets.load_from_disk`, `card.md` and `report.json`.

    The same store and options give the same bytes. Nothing is at `out` before all of it is; what `progress`
    raises ends the build, and leaves nothing.

    Raises:
        DataError: no run matches, no row is left, the options do not fit the kind, or a benchmark is missing.
        TokenizerError: the student's tokenizer cannot be loaded, or not be trained with.
        ExportError: `out` exists and `force` is not given, or it cannot be written.
        StoreError: the store cannot be read.
    """
    options = checked(kind, options or BuildOptions())
    with new_folder(out, force=force) as folder, _full_disk_explained():
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as scratch:
            spool = Spool(Path(scratch) / "candidates", duplicates=options.duplicates)
            with spool, Reader(source.settings.store_path()) as reader:
                job = _Build(kind, options, spool, source, progress or (lambda _: None))
                job.read(OpenSource(source, reader))
                write_dataset(job.rows(), folder, job.kind.columns)
        report = job.report
        if not report.rows:
            raise DataError(_nothing(report, job.kind))
        text = json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n"
        (folder / REPORT).write_text(text, encoding="utf-8")
        (folder / CARD).write_text(card(report, job.kind), encoding="utf-8")
    return report


class _Build:
    """One build under way."""

    def __init__(
        self,
        kind: Kind,
        options: BuildOptions,
        spool: Spool,
        source: Source,
        progress: Callable[[Progress], None],
    ) -> None:
        self.kind, self._options, self._spool, self._progress = KINDS[kind], options, spool, progress
        self.report = Report(kind, source.wanted, options)
        self._hidden = Assertions()
        data = options.data or source.settings.data
        self._kept_out: Contamination
        self._kept_out, self.report.kept_out = contamination(options.against, options.ngram, data)
        name = options.tokenizer
        self._tokenizer: Any = None if name is None else load_tokenizer(name, source.settings)

    def read(self, source: OpenSource) -> None:
        """Spool the candidates of every run. Raises DataError where no run matches."""
        report, ids = self.report, source.run_ids()
        report.matched, report.partial_search = len(ids), source.is_partial
        if not ids:
            raise DataError(_no_runs(report.wanted))
        for number, run_id in enumerate(ids):
            if number % _STEPS == 0:
                self._progress(Progress("reading", number, len(ids)))
            trajectory = source.trajectory(run_id)
            if trajectory is None:
                report.dropped["running"] += 1
                continue
            report.read += 1
            self._read(trajectory, source)
        report.candidates = self._spool.count
        if repeated := self._spool.count - self._spool.unique_count():
            report.dropped["duplicate"] = repeated

    def _read(self, trajectory: Trajectory, source: OpenSource) -> None:
        self._count_replies(trajectory)
        problem = trajectory.started.problem
        hidden = of_splits(problem, self.kind.hidden)
        visible = of_splits(problem, (split for split in SPLITS if split not in self.kind.hidden))
        self._hidden.add(hidden - visible)
        self._spool.show(_problem_key(benchmark_of(problem), problem.get("id")), visible)
        reading = Reading(trajectory, self._options, self.report.dropped, source.scores(trajectory))
        run_id = trajectory.started.run_id
        reading.others = lambda: source.others(run_id, str(problem.get("id", "")), reading.benchmark)
        for candidate in self.kind.find(reading):
            texts = self.kind.texts(candidate.row)
            reason = self._kept_out.found_in(problem, texts)
            if not reason and any(asserted_in(tokenised(text), hidden, visible) for text in texts):
                reason = "hidden-test"
            if reason:
                self.report.dropped[reason] += 1
            else:
                self._spool.add(candidate)

    def _count_replies(self, trajectory: Trajectory) -> None:
        calls = [proposal.call for proposal in trajectory.proposals] + [trajectory.unused]
        flags = [call.answered.flags for call in calls if call is not None]
        self.report.replies += len(flags)
        self.report.truncated += sum("truncated" in of_call for of_call in flags)

    def rows(self) -> Iterator[Row]:
        """The rows to write, each looked through once more, with its columns only."""
        report = self.report
        for full_row in self.kind.choose(self._spool, self._options):
            if report.rows % _STEPS == 0:
                self._progress(Progress("writing", report.rows, None))
            row = in_texts({name: full_row[name] for name in self.kind.columns}, plain)
            texts = self.kind.texts(row)
            visible = self._spool.shown(_problem_key(row["benchmark"], row[self.kind.problem]))
            if any(self._hidden.first_in(tokenised(text), visible) for text in texts):
                report.dropped["hidden-test"] += 1
                continue
            lengths = self._measured(row)
            if isinstance(lengths, str):
                report.dropped[lengths] += 1
                continue
            report.add(row, texts, lengths)
            yield row

    def _measured(self, row: Row) -> tuple[int, int] | str | None:
        """A row's tokens, of a pair its longer reply's, and those trained on; else why it is dropped."""
        if self._tokenizer is None:
            return None
        longest = trained = 0
        for answer in self.kind.answers(row):
            try:
                ids, labels = tokens(answer, self._tokenizer)
            except RowError:
                return "not-serialisable"
            longest = max(longest, len(ids))
            trained += sum(label != IGNORED for label in labels)
        limit = self._options.max_tokens
        return "too-long" if limit is not None and longest > limit else (longest, trained)


def _problem_key(benchmark: str | None, problem_id: object) -> str:
    return key(benchmark, str(problem_id if problem_id is not None else ""))


def _no_runs(wanted: str) -> str:
    which = f"no run matches {wanted!r}" if wanted.strip() else "there are no runs"
    return f"{which}; name an experiment, a training set, or what `flowreasoner runs --search` finds"


def _nothing(report: Report, kind: KindOfData) -> str:
    most = ", ".join(f"{count} {name}" for name, count in report.dropped.most_common(4))
    left_out = f"; left out were {most}" if most else ""
    which = f" that match {report.wanted!r}" if report.wanted.strip() else ""
    return (
        f"no row for {report.kind} comes of the runs{which} ({report.read} read): {kind.nothing}{left_out}; "
        "choose other runs or options"
    )


@contextmanager
def _full_disk_explained() -> Iterator[None]:
    """SQLite reports a full disk by an error of its own: turn it into the system's."""
    try:
        yield
    except sqlite3.OperationalError as error:
        full = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL
        raise OSError(errno.ENOSPC if full else errno.EIO, f"{error}") from error
