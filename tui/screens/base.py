"""What all screens that work in the background have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.screen import Screen, ScreenResultType

from tui.safe import one_line

if TYPE_CHECKING:
    from tui.navigation import Navigation


Load = Callable[[], Awaitable[None]]


class WorkbenchScreen(Screen[ScreenResultType]):
    """A screen of the workbench, whose workers end before its widgets do."""

    def __init__(self, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name, id, classes)
        # Reads in progress by what they read, and what is to be read once more after them.
        self._reading: dict[str, Load | None] = {}
        self._told = ""
        self._has_read = False

    @property
    def navigation(self) -> Navigation:
        return cast("Navigation", self.app)

    @property
    def shown_run(self) -> str | None:
        """The id of the run that is shown, or that the cursor is on."""
        return None

    def read_store(self, load: Load, *, what: str = "store", again: bool = True) -> None:
        """Read in the background: one read of `what` at a time, and none is cut off.

        Asked for while one is in progress, `load` follows it, the last one asked for alone; without `again`,
        as a timer asks, it is left out. A read that took longer than the time between two of them would
        otherwise never come to its end. What is wrong with the store is told in a sentence, once.
        """
        if not self.display:
            return  # it is being closed: its widgets may be gone before the read comes back
        if what in self._reading:
            if again:
                self._reading[what] = load
            return
        self._reading[what] = load
        self.run_worker(self.with_keys_held(partial(self._read_in_turn, what)), group=what)

    def with_keys_held(self, read: Load) -> Load:
        """A screen's first read: what is typed before it has come is meant for what it will show."""
        if self._has_read:
            return read
        self._has_read = True
        go_on = self.navigation.hold_keys()

        async def held() -> None:
            try:
                await read()
            finally:
                go_on()

        return held

    async def _read_in_turn(self, what: str) -> None:
        from store.errors import StoreError

        try:
            while (load := self._reading[what]) is not None:
                self._reading[what] = None
                try:
                    await load()
                except StoreError as error:
                    text = one_line(str(error), 300)
                    if text != self._told:
                        self.notify(text, severity="error", markup=False)
                    self._told = text
        finally:
            del self._reading[what]

    def can_act(self, action: str) -> bool:
        """Whether an action could do something now. The footer leaves out the keys of the others, which only
        say why not; `refresh_bindings` has it ask again.
        """
        return True

    def action_next_pane(self) -> None:
        self.focus_next()

    def action_previous_pane(self) -> None:
        self.focus_previous()

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
