"""A name from those there are, each with what it is; typing narrows the list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from tui.actions import bindings_for
from tui.safe import one_line

Choice = tuple[str, str]


class PickScreen(ModalScreen[str | None]):
    """Dismisses with the name that was picked, or None."""

    CSS_PATH = "pick.tcss"
    BINDINGS = bindings_for("dialog") + bindings_for("pick")
    AUTO_FOCUS = "#words"

    def __init__(
        self,
        question: str,
        choices: Sequence[Choice],
        *,
        own: str = "",
        more: Callable[[], Sequence[Choice]] | None = None,
    ) -> None:
        """`choices` are names with what each is. With `own`, which says what it would be, another can
        be typed. `more` finds others, which may take a moment: they are added when they are known.
        """
        super().__init__(name="pick")
        self._question, self._choices, self._own, self._more = question, list(choices), own, more
        self._shown: list[Choice] = []  # in the order of the rows

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(one_line(self._question, 100), markup=False)
            yield Input(id="words", placeholder="type to narrow", compact=True)
            yield OptionList(id="choices", compact=True)
            yield Label("enter picks  ↑ ↓ move  esc cancels", id="hint", markup=False)

    def on_mount(self) -> None:
        self._narrow("")
        if self._more is not None:
            self.run_worker(self._add(self._more))

    async def _add(self, more: Callable[[], Sequence[Choice]]) -> None:
        """Add what `more` finds; the row that is highlighted stays so."""
        self._choices += await asyncio.to_thread(more)
        at = self.query_one("#choices", OptionList).highlighted
        name = self._shown[at][0] if at is not None else None
        self._narrow(self.query_one("#words", Input).value)
        names = [shown for shown, _ in self._shown]
        if name in names:
            self.query_one("#choices", OptionList).highlighted = names.index(name)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if self.is_current:  # else it was picked from before this was told
            self._narrow(event.value)

    def _narrow(self, text: str) -> None:
        words = text.lower().split()
        found = [c for c in self._choices if all(w in f"{c[0]} {c[1]}".lower() for w in words)]
        self._shown = found
        if self._own and text.strip() and all(name != text.strip() for name, _ in found):
            self._shown = [*found, (text.strip(), self._own)]
        wide = min(max((len(name) for name, _ in self._choices), default=0), 32)
        rows = self.query_one("#choices", OptionList)
        rows.clear_options()
        rows.add_options(
            Option(
                Content.assemble(
                    (f"{one_line(name, 60):<{wide}}  ", "bold"), (one_line(what, 200), "$foreground 70%")
                ),
                id=name,
            )
            for name, what in self._shown
        )
        rows.highlighted = 0 if self._shown else None

    @on(Input.Submitted)
    def _enter(self) -> None:
        self.query_one("#choices", OptionList).action_select()

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)  # by its name: what has been typed since may have narrowed the list

    def action_down(self) -> None:
        self.query_one("#choices", OptionList).action_cursor_down()

    def action_up(self) -> None:
        self.query_one("#choices", OptionList).action_cursor_up()

    def action_close(self) -> None:
        self.dismiss(None)
