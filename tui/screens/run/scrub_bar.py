"""Where in the run's past the screen is: one line, there only in the past."""

from __future__ import annotations

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from tui import format as fmt
from tui.session import RunSession

MIN_TRACK = 8


class ScrubBar(Widget):
    """Draws a session's position; a click goes to another."""

    DEFAULT_CSS = """
    ScrubBar { display: none; height: 1; padding: 0 1; background: $primary-muted; color: $foreground; }
    ScrubBar.-past { display: block; }
    """

    class Moved(Message):
        """A click asks for another position."""

        def __init__(self, position: int) -> None:
            super().__init__()
            self.position = position

    def __init__(self, session: RunSession) -> None:
        super().__init__(id="scrub-bar")
        self._session = session
        self._track = (0, MIN_TRACK)

    def sync(self) -> None:
        """Bring the line up to date."""
        self.set_class(self._session.position is not None, "-past")
        self.refresh()

    def render(self) -> RenderResult:
        position, total = self._session.position, len(self._session.history)
        if position is None:
            return Content("")
        event = self._session.history.events[position - 1] if position else None
        kind = event.kind.replace("_", " ") if event else "before the first event"
        at = fmt.clock(event.mono if event else 0)
        told = f"◷ as it was after event {position:,} of {total:,}  {at}  {kind}  "
        links = (("earlier", "back"), ("later", "on"), ("now", "now"))
        keys = Content.from_markup("".join(f"  [@click=screen.{act}]{label}[/]" for act, label in links))
        width = max(self.content_region.width - len(told) - keys.cell_length, MIN_TRACK)
        self._track = (len(told), width)
        done = min(round(position / max(total, 1) * (width - 1)), width - 1)
        return Content.assemble(
            (told, "bold"), ("━" * done, "$primary"), "●", ("─" * (width - done - 1), "$foreground 35%"), keys
        )

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        start, width = self._track
        if inside is not None and start <= inside.x < start + width:
            part = (inside.x - start) / max(width - 1, 1)
            self.post_message(self.Moved(round(part * len(self._session.history))))
