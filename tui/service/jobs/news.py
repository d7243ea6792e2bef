"""What has changed about jobs since the last look: ends, alerts, troubles. A sentence each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tui.service.jobs.standing import JobStanding

_ENDS = {"done": "is done", "failed": "has failed", "stopped": "was stopped", "lost": "is lost"}


@dataclass(frozen=True)
class News:
    """Something to tell the user. `is_bad` when it needs attention."""

    text: str
    is_bad: bool


class JobNews:
    """Remembers how every job stood. A job that is seen for the first time is no news."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str | None, str]] = {}
        self._news: list[News] = []

    def look(self, jobs: Iterable[JobStanding]) -> None:
        """Note what has changed since the last call."""
        for job in jobs:
            now = (job.state, job.row.alert, job.trouble)
            before = self._known.get(job.row.id)
            self._known[job.row.id] = now
            if before is not None and before != now:
                self._news += _changes(job, before)

    def take(self) -> list[News]:
        """The news noted since the last call; each is given once."""
        news, self._news = self._news, []
        return news


def _changes(job: JobStanding, before: tuple[str, str | None, str]) -> list[News]:
    state, alert, trouble = before
    name, news = job.row.name, []
    if job.row.alert is not None and job.row.alert != alert:
        news.append(News(f"{name}: {job.row.alert}", True))
    if job.state != state and not job.is_going_on:
        bad = job.state in ("failed", "lost")
        news.append(News(f"{name} {_ENDS.get(job.state, job.state)}. {job.trouble}".rstrip(), bad))
    elif job.trouble and not trouble:
        news.append(News(f"{name}: {job.trouble}", True))
    return news
