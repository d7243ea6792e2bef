"""Forms whose contents outlive them: kept on disk as they are edited, offered again the next time."""

from __future__ import annotations

from typing import Any, cast

from textual import on
from textual.screen import ScreenResultType
from textual.timer import Timer
from textual.widgets import Checkbox, Input, TextArea

from tui.safe import one_line
from tui.screens.base import WorkbenchScreen

KEEP_SECONDS = 0.4


class DraftedScreen(WorkbenchScreen[ScreenResultType]):
    """A form with a draft. Call `restore` once it is filled with what it starts from.

    What was filled in stays the draft when the form closes; who carries it out drops it once it has begun.
    """

    form = ""  # the draft's name; a form for each of several things has one for each

    def filled(self) -> dict[str, Any]:
        """What is in the form now, as JSON."""
        raise NotImplementedError

    def fill(self, values: dict[str, Any]) -> None:
        """Put back what `filled` gave, perhaps long ago: what does not fit any more is left out."""
        raise NotImplementedError

    def restore(self) -> bool:
        """Fill in the draft, and say whether there was one."""
        self._pristine = self.filled()
        draft = self.navigation.memory.draft(self.form)
        if draft is not None:
            self.fill(draft)
        return draft is not None

    def keep(self) -> None:
        """Write the draft now; a form that was put back as it was has none."""
        if self._keeping is not None:
            self._keeping.stop()
            self._keeping = None
        if self._pristine is None:
            return
        if (filled := self.filled()) == self._pristine:
            self.navigation.memory.drop_draft(self.form)
        else:
            self.navigation.memory.keep_draft(self.form, filled)

    def unkept(self) -> str:
        self.keep()
        problem = self.navigation.memory.problem
        return f"What you typed cannot be kept ({one_line(problem, 200)})." if problem else ""

    def start_over(self) -> None:
        """Back to what the form started from."""
        if self._pristine is not None:
            self.fill(self._pristine)
            self.keep()

    _pristine: dict[str, Any] | None = None
    _keeping: Timer | None = None

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(Checkbox.Changed)
    def _keep_soon(self) -> None:
        if self._keeping is None and self._pristine is not None:
            self._keeping = self.set_timer(KEEP_SECONDS, self.keep)

    def _on_prune(self) -> None:
        self.keep()  # its fields are still there; Textual calls the base class's method too


def text_of(values: dict[str, Any], name: str, default: str) -> str:
    """A text of a draft, `default` where it holds none."""
    found = values.get(name)
    return cast("str", found) if isinstance(found, str) else default
