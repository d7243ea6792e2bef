"""Runs before and now: beside their forks and reruns, and what has come of these."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from tui.format import plural

if TYPE_CHECKING:
    from store.reader import Reader
    from store.rows import Forked

MOST_FORKS = 500


def forks_beside(reader: Reader, run_id: str, *, limit: int = MOST_FORKS) -> list[Forked]:
    """The forks and reruns of all runs that failed as this one did, or as the one that it was forked from.

    Of a run that did not fail, its own. Raises StoreError where there is no such run.
    """
    from store.errors import RunNotFoundError

    run = reader.run(run_id)
    if run.parent is not None:
        with suppress(RunNotFoundError):  # deleted: what is left are the forks of the fork
            run = reader.run(run.parent)
    if run.error_sig is None:
        return reader.forks(of=run.id, limit=limit)
    return reader.forks(cluster=("signature", run.error_sig), limit=limit)


def result_line(statuses: Iterable[str | None]) -> str:
    """How many forks pass, of how many that have ended, and how many are in progress; None is a run without
    one.
    """
    every = list(statuses)
    forks = [status for status in every if status is not None]
    ended = [status for status in forks if status != "running"]
    passed = ended.count("passed")
    parts = [f"{passed} of {plural(len(ended), 'fork')} {'passes' if len(ended) == 1 else 'pass'} now"]
    if len(ended) < len(forks):
        parts.append(f"{len(forks) - len(ended)} in progress")
    if len(forks) < len(every):
        parts.append(f"{plural(len(every) - len(forks), 'run')} not forked")
    return ", ".join(parts if forks else parts[1:])
