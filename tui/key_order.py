"""Keys one at a time: the next goes to whatever the one before it has left in focus."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.worker import Worker

if TYPE_CHECKING:
    from textual.app import App
    from textual.dom import DOMNode
    from textual.events import InputEvent, Paste
    from textual.message_pump import MessagePump


class KeyOrder:
    """Holds back what is typed while an earlier key is still being dealt with.

    Textual sends a key on its way at once, from the widget in focus up to the app, and looks it up only
    there. Of two keys that come together (`/`, then a word's first letter), the second is under way to the
    list before the first has opened the search, and would be carried out as a command.

    A mark follows each key along its way, and the messages that it brought about; once all have arrived, and
    a screen that the key opened has been built, it is the next key's turn.
    """

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._waiting: deque[InputEvent | Paste] = deque()
        self._turn: InputEvent | Paste | None = None
        self._busy = False
        self._opening: set[object] = set()

    def admit(self, event: InputEvent | Paste) -> bool:
        """Whether `event` may be dealt with now; otherwise it is kept, and posted again when it may."""
        if event is not self._turn and (self._busy or self._opening or self._waiting or self._turn):
            self._waiting.append(event)
            return False
        self._turn = None
        self._busy = True
        return True

    def follow(self, node: DOMNode) -> None:
        """The key was sent to `node`: follow it up to the app, then what it made `node` send the same way."""
        self._climb(node, lambda: self._climb(node, lambda: self._settle(None)))

    def _climb(self, node: DOMNode, then: Callable[[], None]) -> None:
        """Go up to the app behind everything that is under way, and do `then`."""
        parent: MessagePump | None = node.parent if node is not self._app else None
        if parent is None or not node.call_later(self._climb, parent, then):
            then()

    def wait_for(self, worker: Worker[Any]) -> None:
        """A key has begun work that will open something: what is typed meanwhile is meant for that."""
        self._opening.add(worker)

    def worker_changed(self) -> None:
        """Work may have ended."""
        self._go_on({one for one in self._opening if isinstance(one, Worker) and one.is_finished})

    def hold(self, at_most: float) -> Callable[[], None]:
        """Keep what is typed until the function that this returns is called, for so many seconds at most."""
        held = object()
        self._opening.add(held)

        def go_on() -> None:
            self._go_on({held})

        self._app.set_timer(at_most, go_on)
        return go_on

    @property
    def is_held(self) -> bool:
        """Whether what is typed waits for something to be read."""
        return any(not isinstance(one, Worker) for one in self._opening)

    def _go_on(self, without: set[object]) -> None:
        """Wait for these no longer."""
        ended = self._opening & without
        self._opening -= ended
        if ended and not self._busy:
            self._busy = True
            self._settle(None)

    def _settle(self, seen: object) -> None:
        """Wait until the screen on top is built, and what it asked of the app (its focus) is done."""
        screen = self._app.screen_stack[-1] if self._app.screen_stack else None
        if (
            screen is not None
            and screen is not seen
            and screen.call_later(self._app.call_later, self._settle, screen)
        ):
            return
        self._busy = False
        if self._waiting and not self._opening and self._turn is None:
            self._turn = self._waiting.popleft()
            self._app.call_next(self._app.on_event, self._turn)
