"""The line at the top: the places there are, with their digits, and the way to where you are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget

from tui.actions import BY_ID, key_label, keys_of
from tui.safe import one_line

if TYPE_CHECKING:
    from tui.navigation import Navigation

_ARROW = " › "
_PRODUCT = "◆ FlowReasoner"  # where there is room for it
Label = tuple[str, str]  # a tab's key and name

_LEAST_TRAIL = 16  # a way that is cut to less than this says nothing


class Tab(NamedTuple):
    """A place: its action, what it is called where there is room, and where there is little."""

    action: str
    name: str
    short: str


TABS = (
    Tab("home", "Home", "Home"),
    Tab("runs", "Runs", "Runs"),
    Tab("live", "Live run", "Live"),
    Tab("failures", "Failures", "Fail"),
    Tab("experiments", "Experiments", "Exp"),
    Tab("compare", "Compare", "Comp"),
    Tab("playground", "Playground", "Play"),
    Tab("training", "Training", "Train"),
    Tab("hosts", "Hosts", "Hosts"),
)
_BY_NAME = {tab.name: tab for tab in TABS}


class TitleBar(Widget):
    """All places on one line, then the screens that lie between this one and its place; a weaker sandbox adds
    a warning below.

    Names give way to what the line must say: the place you are in keeps its name, the others become short and
    then their digits. `crumb` is this screen's part of the way, `note` what there is to say of the sandbox.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    TitleBar {
        dock: top;
        height: auto;
        background: $surface;
        color: $foreground;
        padding: 0 1;
    }
    """
    crumb: reactive[str] = reactive("")
    note: reactive[str] = reactive("", layout=True)

    def __init__(self, crumb: str) -> None:
        super().__init__()
        self.set_reactive(TitleBar.crumb, crumb)
        self._ends: list[tuple[int, str]] = []  # where each tab ends on the line, and its action

    @property
    def trail(self) -> list[str]:
        """The way here: the place, and each screen that `escape` comes back through."""
        parts: list[str] = []
        for screen in _up_to(self.screen):
            for bar in screen.children:
                if isinstance(bar, TitleBar):
                    parts += [part.strip() for part in bar.crumb.split("›")]
        if len(parts) > 1 and parts[0] == "Home" and parts[1] in _BY_NAME:
            del parts[0]  # all places are one key from everywhere; none of them is inside Home
        return [part for n, part in enumerate(parts) if not n or part != parts[n - 1]]

    def render(self) -> RenderResult:
        width = self.content_region.width
        place, *way = self.trail
        here = _BY_NAME.get(place, TABS[0])
        weak = bool(self.note) and not self.note.lower().startswith("docker")
        right, style = ("⚠ weaker sandbox", "$text-warning bold") if weak else ("", "")
        trail = "".join(f"{_ARROW}{one_line(part, 60)}" for part in way)
        room = width - len(right) - 1
        labels, gap = next(
            (tried for tried in _labels(self._keys(), here) if _width(*tried) + len(trail) <= room),
            _digits(self._keys(), here),
        )
        trail = _cut(way, max(room - _width(labels, gap), _LEAST_TRAIL))
        tabs = Content.assemble(*self._tabs(labels, gap, here))
        line = Content.assemble(tabs, (trail, "$foreground 80%"))
        if not weak and line.cell_length + len(_PRODUCT) + 2 <= width:
            right, style = _PRODUCT, "$foreground 35%"
        line = Content.assemble(line, " " * max(width - line.cell_length - len(right), 1), (right, style))
        if not weak:
            return line
        # Where rows are few, one of them has to do for the note.
        note = one_line(self.note, 400 if self.screen.has_class("-tall") else width)
        return Content.assemble(line, "\n", (note, "$text-warning"))

    def _tabs(self, labels: Sequence[Label], gap: int, here: Tab) -> Iterator[Content | tuple[str, str]]:
        self._ends = []
        for tab, (key, name) in zip(TABS, labels, strict=True):
            is_here = tab is here
            yield (" " * (gap if self._ends else 1), "")
            yield (key, "$primary bold" if is_here else "$primary 70%")
            if name:
                yield (" ", "")
                yield (name, "bold underline" if is_here else "$foreground 60%")
            self._ends.append((_width(labels[: len(self._ends) + 1], gap), tab.action))

    def _keys(self) -> list[str]:
        workbench = cast("Navigation", self.app).workbench
        keymap: Mapping[str, str] = workbench.settings.keymap if workbench.has_settings else {}
        return [key_label(keys_of(BY_ID[f"app.{tab.action}"], keymap)[0]) for tab in TABS]

    async def on_click(self, event: events.Click) -> None:
        at = event.get_content_offset(self)
        if at is not None and at.y == 0:
            action = next((action for end, action in self._ends if at.x < end), None)
            if action is not None:
                await self.app.run_action(action)


def _up_to(screen: Screen[object]) -> Iterator[Screen[object]]:
    """The screens that lie below this one, and itself."""
    for other in screen.app.screen_stack:
        yield other
        if other is screen:
            return


def _labels(keys: Sequence[str], here: Tab) -> Iterator[tuple[list[Label], int]]:
    """The labels of all tabs and the gap between them, with ever less of the names."""
    whole = [(key, tab.name) for key, tab in zip(keys, TABS, strict=True)]
    short = [(key, tab.name if tab is here else tab.short) for key, tab in zip(keys, TABS, strict=True)]
    yield whole, 2
    yield short, 2
    yield short, 1


def _digits(keys: Sequence[str], here: Tab) -> tuple[list[Label], int]:
    return [(key, tab.name if tab is here else "") for key, tab in zip(keys, TABS, strict=True)], 2


def _width(labels: Sequence[Label], gap: int) -> int:
    """How many cells the labels take, with a space before the first."""
    texts = [len(key) + (1 + len(name) if name else 0) for key, name in labels]
    return 1 + sum(texts) + gap * (len(texts) - 1)


def _cut(way: Sequence[str], room: int) -> str:
    """The way in no more than `room` cells: its end, which says what is shown, is cut last."""
    parts = [one_line(part, 60) for part in way]
    left_out = ""
    while len(text := left_out + "".join(f"{_ARROW}{part}" for part in parts)) > room and len(parts) > 1:
        del parts[0]
        left_out = f"{_ARROW}…"
    return f" {one_line(text, room - 1)}" if text else ""
