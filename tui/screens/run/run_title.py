"""The title of a run: its kind, its problem, the run it is from; and the pace of a replay, which it tells."""

from __future__ import annotations

from tui.safe import one_line
from tui.session import RunSession
from tui.widgets.title_bar import TitleBar


class RunTitle(TitleBar):
    """Says what is shown of one session, and changes how fast that is."""

    def __init__(self, session: RunSession) -> None:
        super().__init__("Run")
        self._session = session

    def sync(self, live_note: str) -> None:
        """Bring the title up to date; `live_note` is what there is to say of the sandbox of a live run."""
        session = self._session
        self.crumb = self._words()
        self.note = live_note if session.live else _note(session.shown.sandbox)

    def toggle_pause(self) -> None:
        """Pause a replay, or go on."""
        if self._session.pace is not None:
            self._session.pace.toggle()
            self.crumb = self._words()

    def change_pace(self, *, faster: bool) -> None:
        """Play a replay faster or slower."""
        pace = self._session.pace
        if pace is None:
            self.notify("Only a replay has a pace; R starts one.")
            return
        pace.faster() if faster else pace.slower()
        self.crumb = self._words()

    def _words(self) -> str:
        session, pace = self._session, self._session.pace
        if pace is not None:
            kind = f"Replay ×{pace.speed:g}" + (" paused" if pace.paused else "")
        else:
            kind = "Live run" if session.live else "Trace"
        parent = session.state.origin.get("parent")
        origin = f"  ›  from {one_line(str(parent), 20)}" if parent else ""
        return f"{kind}  ›  {one_line(session.title, 60)}{origin}"


def _note(sandbox: str) -> str:
    """What there is to say of the sandbox that a stored run used. An imported run had none."""
    if sandbox == "none":
        return ""
    if not sandbox or sandbox.lower().startswith("docker"):
        return sandbox
    return f"This run used the {one_line(sandbox, 40)} sandbox, which isolates less than Docker."
