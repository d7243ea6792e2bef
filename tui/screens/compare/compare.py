"""A comparison: who is who and how sure it is, the measures, the problems, and the traces of two runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from store.compare.traces import ComparedStep, text_of
from tui.actions import bindings_for
from tui.compare.state import CompareState
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.compare import rows
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.tab_strip import TabStrip
from tui.widgets.table_view import Column, TableView
from tui.widgets.text_view import TextView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    pass

# Pages and what is focused on each. The first two are the left column where there is room for two.
PAGES = {
    "Summary": "summary",
    "Metrics": "metrics",
    "Problems": "problems",
    "Settings": "settings",
    "Workflow": "workflow",
    "Steps": "steps",
}
LEFT = ("Summary", "Metrics")
OF_RUNS = ("Workflow", "Steps")
LAYOUT_SECONDS = 0.02


class CompareScreen(WorkbenchScreen[None]):
    """Reads and compares what `names` stand for (`store.compare.sides`), in a thread."""

    CSS_PATH = "compare.tcss"
    AUTO_FOCUS = ""
    BINDINGS = bindings_for("compare")

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(name="compare")
        self.state = CompareState()
        self._names = tuple(names)
        self._page = ""

    def compose(self) -> ComposeResult:
        yield TitleBar("Compare")
        yield TabStrip(tuple(PAGES), id="pages")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                summary = TextView(id="summary", empty="Comparing …")
                summary.border_title = "Summary"
                yield summary
                yield _table("metrics", "Metrics per trial")
            with Vertical(id="right"):
                yield _table("problems", "Problems")
                yield _table("settings", "Settings")
                workflow = TextView(id="workflow", language="diff", empty="The workflows are the same.")
                workflow.border_title = "Workflow"
                yield workflow
                with Vertical(id="steps-page"):
                    yield _table("steps", "Steps")
                    with Horizontal(id="both"):
                        yield TextView(id="step-a", empty="No such step.")
                        yield TextView(id="step-b", empty="No such step.")
        yield Footer()

    def on_mount(self) -> None:
        self._show_page("Metrics")
        self._read()

    def on_screen_resume(self) -> None:
        self.query_one(TitleBar).note = self.navigation.workbench.sandbox_note

    # -- reading ---------------------------------------------------------------------------------

    def _read(self) -> None:
        self.run_worker(self._load, group="compare", exclusive=True)

    async def _load(self) -> None:
        from store.compare.sides import CompareError
        from store.errors import StoreError

        try:
            found = await self.navigation.records.comparison(self._names, self.state.baseline)
        except (StoreError, CompareError) as error:
            self._fail(str(error))
            return
        was_empty = self.state.comparison is None
        self.state.take(found)
        pages = [page for page in PAGES if found.are_runs or page not in OF_RUNS]
        if found.are_runs:
            pages.remove("Problems")
        self.query_one("#pages", TabStrip).fill(pages)
        self.refresh_bindings()  # what makes no sense here leaves the footer
        self.sync()
        if was_empty:
            self._show_page("Steps" if found.are_runs else "Problems", focus=self._is_wide)
            if not self._is_wide:
                self._show_page("Metrics")

    def _fail(self, sentence: str) -> None:
        """Say why there is nothing to see; what is on screen stays."""
        self.notify(one_line(sentence, 300), severity="error", timeout=15)
        if self.state.comparison is None:
            for table in self.query(TableView):
                table.empty = "Nothing to compare."
                table.refresh()
            self.query_one("#summary", TextView).show(sentence)

    # -- state to widgets ------------------------------------------------------------------------

    def sync(self) -> None:
        """Bring every pane up to date with the state."""
        state, comparison, pair = self.state, self.state.comparison, self.state.pair
        if comparison is None or pair is None:
            return
        names = ", ".join(f"{side.letter} {side.name}" for side in comparison.sides)
        self.query_one(TitleBar).crumb = f"Compare  ›  {one_line(names, 120)}"
        self.query_one("#summary", TextView).show(state.summary())
        what = "only differences" if state.only_differences else "all"
        metrics = [rows.measure_row(line, comparison) for line in state.lines()]
        self._fill("metrics", rows.measure_columns(comparison), metrics, what, "Nothing differs.")
        problems = [rows.problem_row(n, one) for n, one in enumerate(state.problems())]
        which = "only what got worse" if state.only_losses else what
        self._fill(
            "problems", rows.problem_columns(pair), problems, which, "No problem came out differently."
        )
        settings = [rows.setting_row(*one) for one in state.settings()]
        self._fill("settings", rows.setting_columns(comparison), settings, what, "All settings are the same.")
        both = (pair.baseline, pair.other)
        steps = [rows.step_row(n, one, both) for n, one in enumerate(state.steps())]
        self._fill("steps", rows.step_columns(pair), steps, what, "All steps are the same.")
        for id in ("problems", "steps", "workflow"):
            title = {"problems": "Problems", "steps": "Steps", "workflow": "Workflow"}[id]
            self.query_one(f"#{id}").border_title = f"{title}, {both[1]} against {both[0]}"
        self.query_one("#workflow", TextView).show(state.runs.diff if state.runs else "")
        self._sync_step()

    def _fill(
        self, id: str, columns: tuple[Column, ...], found: list[rows.TableRow], which: str, empty: str
    ) -> None:
        table = self.query_one(f"#{id}", TableView)
        table.columns = columns
        table.empty = empty
        table.show(found)
        table.tell(f"{len(found):,} · {which}")
        table.refresh()

    def _sync_step(self) -> None:
        """Both sides of the step under the cursor, in full."""
        found, at = self.state.steps(), self.query_one("#steps", TableView).selected_place
        both = found[at].steps if 0 <= at < len(found) else (None, None)
        pair = self.state.pair
        letters = (pair.baseline, pair.other) if pair else ("A", "B")
        for id, letter, step in zip(("step-a", "step-b"), letters, both, strict=True):
            view = self.query_one(f"#{id}", TextView)
            view.border_title = letter
            view.show(_told(step) if step else "")

    @on(LineList.Highlighted, "#steps")
    def _moved(self) -> None:
        self._sync_step()

    # -- pages -----------------------------------------------------------------------------------

    @property
    def _is_wide(self) -> bool:
        return not (self.has_class("-narrow") or self.has_class("-short"))

    def _show_page(self, page: str, *, focus: bool = True) -> None:
        self._page = page
        for name in PAGES:
            self.set_class(name == page, f"-page-{name.lower()}")
            if page not in LEFT:
                self.set_class(name == page, f"-right-{name.lower()}")
        self.query_one("#pages", TabStrip).active = page
        if focus:
            self.set_focus(None)
            self._arrive(page)

    def _arrive(self, page: str) -> None:
        """Focus the page once it is laid out: what is hidden cannot take the focus."""
        if page != self._page:
            return
        pane = self.query_one(f"#{PAGES[page]}")
        if pane.region.area:
            pane.focus()
        else:
            self.set_timer(LAYOUT_SECONDS, lambda: self._arrive(page))

    @on(TabStrip.Picked, "#pages")
    def _picked(self, event: TabStrip.Picked) -> None:
        self._show_page(event.name)

    def action_next_page(self) -> None:
        self.query_one("#pages", TabStrip).step(1)

    def action_previous_page(self) -> None:
        self.query_one("#pages", TabStrip).step(-1)

    def action_next_pane(self) -> None:
        self.focus_next()

    def action_previous_pane(self) -> None:
        self.focus_previous()

    # -- actions ---------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        found = self.state.comparison
        if action == "next_pair":
            return found is not None and len(found.pairs) > 1
        return action != "losses" or found is None or not found.are_runs

    def action_differences(self) -> None:
        self.state.only_differences = not self.state.only_differences
        self.sync()

    def action_losses(self) -> None:
        self.state.only_losses = not self.state.only_losses
        self.sync()

    def action_next_pair(self) -> None:
        self.state.next_pair()
        self.sync()

    def action_baseline(self) -> None:
        """Make the next of the sides, as they were named, the baseline."""
        if self.state.comparison is not None:
            self.state.baseline = (self.state.baseline + 1) % len(self.state.comparison.sides)
            self._read()

    @on(LineList.Chosen, "#problems")
    def _open_problem(self) -> None:
        """The two traces of the problem under the cursor, beside each other."""
        if (both := self._both()) is not None:
            self.navigation.open_comparison(both)

    def action_trace_baseline(self) -> None:
        if (both := self._both()) is not None:
            self.navigation.open_trace(both[0])

    def action_trace_other(self) -> None:
        if (both := self._both()) is not None:
            self.navigation.open_trace(both[1])

    def _both(self) -> tuple[str, str] | None:
        """The two runs that are looked at; None after saying why there are none."""
        if self.state.runs is not None:
            return self.state.runs.run_ids
        found, at = self.state.problems(), self.query_one("#problems", TableView).selected_place
        if 0 <= at < len(found):
            return found[at].runs
        self.notify("Select a problem first.")
        return None


def _table(id: str, title: str) -> TableView:
    table = TableView((Column(""),), id=id, empty="Comparing …")
    table.border_title = title
    return table


def _told(step: ComparedStep) -> str:
    """A step in full."""
    line = f", line {step.line}" if step.line else ""
    parts = [f"{step.operator}{line}: {step.status}", "── output ──", text_of(step.output)]
    if step.error:
        parts += ["── error ──", step.error]
    return "\n".join([*parts, "", "── inputs ──", text_of(step.inputs)])
