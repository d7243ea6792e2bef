"""The step tree: rounds, executions, steps, calls, with time, tokens and cost in columns."""

from __future__ import annotations

from collections.abc import Callable, Collection

from rich.cells import cell_len

from tui.actions import bindings_for
from tui.trace.marks import Piece
from tui.trace.nodes import FAILURES, Key, Node
from tui.trace.outline import cells, is_expanded, visible_rows
from tui.trace.state import RunState
from tui.widgets.line_list import LineList
from tui.widgets.line_view import fit


class OutlineView(LineList):
    """Draws a `RunState` as a tree. Call `sync` when the state may have changed."""

    BINDINGS = bindings_for("tree")

    def __init__(
        self, state: RunState, since_last_event: Callable[[], float], *, id: str | None = None
    ) -> None:
        super().__init__(id=id, empty="Nothing has happened yet.")
        self.state = state
        self.follow = True
        self.keep: Collection[Key] | None = None  # the rows that a filter leaves
        self._since = since_last_event
        self._rows: list[tuple[Key, int]] = []
        self._index: dict[Key, int] = {}
        self._toggled: set[Key] = set()
        self._seen = 0
        self._placing = False

    # -- state to rows ---------------------------------------------------------------------------

    def show_state(self, state: RunState) -> None:
        """Draw another state of the run."""
        self.state = state
        self.sync(force=True)

    def sync(self, *, force: bool = False) -> None:
        """Take over what has changed since the last call."""
        if len(self.state.tree.changed) != self._seen or force:
            self._seen = len(self.state.tree.changed)
            self._rebuild()
        if self.state.tree.open:
            self.refresh()  # running clocks

    def _rebuild(self) -> None:
        selected = self.selected
        self._rows = visible_rows(self.state, self._toggled, self.keep)
        self._index = {key: i for i, (key, _) in enumerate(self._rows)}
        self.rows_changed()
        target = self._newest() if self.follow else selected
        row = self._row_of(target)
        if row is not None and row != self.cursor:
            self._placing = True
            self.move(row)
            self._placing = False

    def _newest(self) -> Key | None:
        """What to select when following: the newest thing that runs, or the last thing that came."""
        open_now = next(reversed(self.state.tree.open), None)
        return open_now or (self.state.tree.changed[-1] if self.state.tree.changed else None)

    def _row_of(self, key: Key | None) -> int | None:
        """The row of `key`, or of the closest ancestor in view."""
        while key is not None and key not in self._index:
            node = self.state.tree.nodes.get(key)
            key = node.parent if node else None
        return None if key is None else self._index[key]

    @property
    def selected(self) -> Key | None:
        return self._rows[self.cursor][0] if self.cursor < len(self._rows) else None

    def select(self, key: Key) -> None:
        """Select `key`, opening what it is in."""
        self.follow = False
        if self.selected == key:
            return
        node = self.state.tree.nodes.get(key)
        parent = node.parent if node else None
        while parent is not None:
            owner = self.state.tree.nodes[parent]
            if not is_expanded(owner, self._toggled):
                self._toggled ^= {parent}
            parent = owner.parent
        if key not in self._index:
            self._rebuild()
        row = self._row_of(key)
        if row is not None:
            self.move(row)

    @property
    def failed(self) -> list[Key]:
        """The rows that failed, and those that contain one."""
        return [key for key, node in self.state.tree.nodes.items() if node.status in FAILURES]

    def next_failure(self) -> bool:
        """Select the next failed row below the cursor, from the top after the last; False if none."""
        failed = self.failed
        # What contains a failure failed too; the reader wants the failure itself.
        failed = [key for key in failed if key[0] in ("step", "evaluation")] or failed
        if not failed:
            return False
        current = self.selected
        after = failed.index(current) + 1 if current in failed else 0
        self.select(failed[after % len(failed)])
        return True

    def _expanded(self, node: Node) -> bool:
        return self.keep is not None or is_expanded(node, self._toggled)

    # -- LineList --------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        return len(self._rows)

    def row(self, index: int, width: int) -> list[Piece]:
        key, depth = self._rows[index]
        node = self.state.tree.nodes[key]
        cell = cells(self.state, node, self._since())
        columns = f"{cell.time:>7}"
        if width >= 34:
            columns += f"{cell.tokens:>6}"
        if width >= 46:
            columns += f"{cell.cost:>8}"
        columns += " "
        lead: list[Piece] = [("  " * depth, ""), (self._arrow(node), "faint"), (f"{cell.glyph} ", cell.ink)]
        room = width - sum(cell_len(text) for text, _ in lead) - len(columns)
        label, used = fit(cell.label, max(room, 4))
        return [*lead, *label, (" " * max(room - used, 0), ""), (columns, "muted")]

    def _arrow(self, node: Node) -> str:
        if not node.children:
            return "  "
        return "▾ " if self._expanded(node) else "▸ "

    @property
    def plain_text(self) -> str:
        return "\n".join(
            "".join(text for text, _ in self.row(i, 100)).rstrip() for i in range(len(self._rows))
        )

    # -- keys ------------------------------------------------------------------------------------

    def watch_cursor(self) -> None:
        if not self._placing:
            self.follow = False
        super().watch_cursor()

    def _toggle(self, key: Key) -> None:
        self._toggled ^= {key}
        self.follow = False
        self._rebuild()

    def action_toggle_row(self) -> None:
        key = self.selected
        if key is not None and self.state.tree.nodes[key].children:
            self._toggle(key)

    def action_choose(self) -> None:
        self.action_toggle_row()
        super().action_choose()

    def action_expand(self) -> None:
        key = self.selected
        if key is None:
            return
        node = self.state.tree.nodes[key]
        if node.children and not self._expanded(node):
            self._toggle(key)
        elif node.children:
            self.action_down()

    def action_collapse(self) -> None:
        key = self.selected
        if key is None:
            return
        node = self.state.tree.nodes[key]
        if self.keep is None and node.children and self._expanded(node):
            self._toggle(key)
        elif node.parent is not None:
            self.move(self._index[node.parent])
