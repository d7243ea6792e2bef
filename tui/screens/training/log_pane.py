"""What a job prints, followed, and only the lines that match."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical

from tui.format import plural
from tui.service.jobs.log import LogTail, only_matching
from tui.widgets.text_view import TextView


class LogPane(Vertical):
    """The end of a log, which grows while it is looked at."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._tail: LogTail | None = None
        self.pattern = ""

    def compose(self) -> ComposeResult:
        yield TextView(id="log", tail=True, empty="The job has printed nothing yet.")

    def on_mount(self) -> None:
        self.query_one("#log").border_title = "Log"

    def follow(self, path: Path) -> None:
        """Follow this file from now on."""
        self._tail = LogTail(path)

    async def load(self) -> None:
        """Show what is new."""
        if (tail := self._tail) is not None:
            await asyncio.to_thread(tail.read)
            self.show()

    def show(self) -> None:
        """Show the lines that match; a wrong pattern shows all and says so."""
        view = self.query_one("#log", TextView)
        text = self._tail.text if self._tail else ""
        try:
            text = only_matching(text, self.pattern)
            view.border_subtitle = (
                f"{plural(text.count(chr(10)), 'line')} that match /{self.pattern}/" * bool(self.pattern)
            )
        except ValueError as error:
            view.border_subtitle = str(error)
        view.show(text)
