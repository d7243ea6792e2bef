"""What all screens that work in the background have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.screen import Screen, ScreenResultType

if TYPE_CHECKING:
    from tui.navigation import Navigation


class WorkbenchScreen(Screen[ScreenResultType]):
    """A screen of the workbench, whose workers end before its widgets do."""

    @property
    def navigation(self) -> Navigation:
        return cast("Navigation", self.app)

    @property
    def shown_run(self) -> str | None:
        """The id of the run that is shown, or that the cursor is on."""
        return None

    def widen(self) -> bool:
        """Undo what narrows what is shown, before the screen is left; False where nothing does."""
        return False

    def unkept(self) -> str:
        """What would be lost if the workbench were left now, as a sentence; "" where nothing would."""
        return ""

    def _on_prune(self) -> None:
        """The screen is being closed. Textual cancels its workers only once its widgets are gone, and one
        that comes back from the store in between would look for them."""
        self.workers.cancel_node(self)
