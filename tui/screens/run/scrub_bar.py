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

    def sync(self) -> None:
        """Bring the line up to date."""
        self.set_class(self._session.position is not None, "-past")
        self.refresh()

    def render(self) -> RenderResult:
        if self._session.position is None:
            return Content("")
        told, width, keys = self._parts()
        done = min(round(self._session.position / max(self._total, 1) * (width - 1)), width - 1)
        return Content.assemble(
            (told, "bold"), ("━" * done, "$primary"), "●", ("─" * (width - done - 1), "$foreground 35%"), keys
        )

    def _parts(self) -> tuple[str, int, Content]:
        """The words before the track, how many cells it has, and the links behind it."""
        position = self._session.position or 0
        event = self._session.history.events[position - 1] if position else None
        kind = event.kind.replace("_", " ") if event else "before the first event"
        at = fmt.clock(event.mono if event else 0)
        told = f"◷ as it was after event {position:,} of {self._total:,}  {at}  {kind}  "
        links = (("earlier", "back"), ("later", "on"), ("now", "now"))
        keys = Content.from_markup("".join(f"  [@click=screen.{act}]{label}[/]" for act, label in links))
        return told, max(self.content_region.width - len(told) - keys.cell_length, MIN_TRACK), keys

    @property
    def _total(self) -> int:
        return len(self._session.history)

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        told, width, _ = self._parts()
        if inside is not None and len(told) <= inside.x < len(told) + width:
            part = (inside.x - len(told)) / max(width - 1, 1)
            self.post_message(self.Moved(round(part * self._total)))
