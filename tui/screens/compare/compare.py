"""A comparison: who is who and how sure it is, the measures, the problems, and the traces of two runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import AwaitMount, Widget

from tui.actions import bindings_for
from tui.compare.state import CompareState
from tui.compare.steps import step_text
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.compare import rows
from tui.screens.compare.charts_page import ChartsPage
from tui.screens.compare.ways_pages import FlipsPage, OperatorsPage, show_answers
from tui.widgets.both_sides import BothSides
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.tab_strip import TabStrip
from tui.widgets.table_view import Column, TableView
from tui.widgets.text_view import TextView
from tui.widgets.title_bar import TitleBar

# Pages: their panes, and what is focused on each. The first two are the left column where there is room.
PAGES = {
    "Summary": ("summary", "summary"),
    "Metrics": ("metrics", "metrics"),
    "Problems": ("problems", "problems"),
    "Operators": ("operators-page", "operators"),
    "Flips": ("flips-page", "flips"),
    "Charts": ("charts-page", "charts-page"),
    "Answers": ("answers", "answers-a"),
    "Steps": ("steps-page", "steps"),
    "Workflow": ("workflow", "workflow"),
    "Settings": ("settings", "settings"),
}
LEFT = ("Summary", "Metrics")
OF_VARIANTS = ("Problems", "Operators", "Flips", "Charts")
OF_RUNS = ("Answers", "Steps", "Workflow")
OF_WAYS = ("Operators", "Flips", "Charts")
MOST_FLIPS = 100  # of a pair; the command line looks into all of them
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
        self._rest: AwaitMount | None = None
        self._is_whole = False  # all pages have been made
        self._has_turned = False  # somebody has chosen a page, which no read that ends later may turn back

    def compose(self) -> ComposeResult:
        yield TitleBar("Compare")
        yield TabStrip([page for page in PAGES if page not in OF_RUNS], id="pages")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                summary = TextView(id="summary", empty="Comparing …")
                summary.border_title = "Summary"
                yield summary
                yield _table("metrics", "Metrics per trial")
            with Vertical(id="right"):
                yield _table("problems", "Problems")
        yield Footer()

    async def _compose_rest(self, *, of_runs: bool) -> None:
        """Make the pages that were not needed to show what comes first."""
        if self._rest is None:  # else a read that was cut off has begun with it
            pages = [*(_pages_of_runs() if of_runs else _pages_of_variants()), _table("settings", "Settings")]
            for page in pages:
                page.set_class(page.id == PAGES[self._page][0], "-shown")
            if self._page not in LEFT:
                self.query_one("#problems").set_class(self._page == "Problems", "-shown")
            self._rest = self.query_one("#right").mount(*pages)
        await self._rest
        self._is_whole = True

    def on_mount(self) -> None:
        self._show_page("Metrics")
        self._read()

    def on_screen_resume(self) -> None:
        self.query_one(TitleBar).note = self.navigation.workbench.sandbox_note
        if self.state.ways is not None:
            self.read_store(self._load_ways, what="ways")  # flips may have been tried again meanwhile

    # -- reading ---------------------------------------------------------------------------------

    def _read(self) -> None:
        self.run_worker(self.with_keys_held(self._load), group="compare", exclusive=True)

    async def _load(self) -> None:
        from store.compare.sides import CompareError
        from store.errors import StoreError

        try:
            found = await self.navigation.records.comparison(self._names, self.state.baseline)
        except (StoreError, CompareError) as error:
            self._fail(str(error))
            return
        is_first = self.state.comparison is None and not self._has_turned
        self.state.take(found)
        without = OF_VARIANTS if found.are_runs else OF_RUNS
        self.query_one("#pages", TabStrip).rename([page for page in PAGES if page not in without])
        self.refresh_bindings()  # what makes no sense here leaves the footer
        if found.are_runs and not self._is_whole:
            await self._compose_rest(of_runs=True)
        self.sync()
        if is_first:
            self._show_page("Steps" if found.are_runs else "Problems")
            if found.are_runs:
                self.query_one("#steps", TableView).move(self.state.parting_place())
            elif not self._is_wide:
                self._show_page("Metrics")
        if not self._is_whole:
            await self._drawn()
            await self._compose_rest(of_runs=False)
            self.sync()
        if not is_first and self._page in OF_WAYS:
            self.read_store(self._load_ways, what="ways")

    async def _drawn(self) -> None:
        """Wait until what is shown has been drawn."""
        drawn = asyncio.Event()
        self.call_after_refresh(drawn.set)
        await drawn.wait()

    async def _load_ways(self) -> None:
        """How the sides worked: only once somebody looks, since it takes the steps of every trial."""
        comparison = self.state.comparison
        if comparison is None or comparison.are_runs:
            return
        ways = await self.navigation.records.ways(comparison, most=MOST_FLIPS)
        if comparison is self.state.comparison:  # the baseline may be another one meanwhile
            self.state.ways = ways
            self.sync()

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
        problems = [rows.problem_row(one) for one in state.problems()]
        which = "only what got worse" if state.only_losses else what
        self._fill(
            "problems", rows.problem_columns(pair), problems, which, "No problem came out differently."
        )
        self.query_one("#problems").border_title = f"Problems, {pair.other} against {pair.baseline}"
        if not self._is_whole:
            return
        settings = [rows.setting_row(*one) for one in state.settings()]
        self._fill("settings", rows.setting_columns(comparison), settings, what, "All settings are the same.")
        if comparison.are_runs:
            self._sync_runs(what)
            return
        self.query_one(OperatorsPage).show(state.ways, state.pair_ways)
        self.query_one(FlipsPage).show(state.pair_ways, state.flips())
        self.query_one(ChartsPage).show(state.charts())

    def _sync_runs(self, what: str) -> None:
        """The pages about the traces of two runs."""
        state, pair = self.state, self.state.pair
        assert pair is not None and state.runs is not None and state.parting is not None
        both = (pair.baseline, pair.other)
        steps = [rows.step_row(one, both) for one in state.steps()]
        self._fill("steps", rows.step_columns(pair), steps, what, "Every step was given and gave the same.")
        for id, title in (("steps", "Steps"), ("workflow", "Workflow")):
            self.query_one(f"#{id}").border_title = f"{title}, {both[1]} against {both[0]}"
        self.query_one("#workflow", TextView).show(state.runs.diff)
        show_answers(self.query_one("#answers", BothSides), state.parting, both)
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
        first, second = (step_text(step) if step else "" for step in both)
        self.query_one("#step", BothSides).show(letters, (first, second))

    @on(LineList.Highlighted, "#steps")
    def _moved(self) -> None:
        self._sync_step()

    # -- pages -----------------------------------------------------------------------------------

    @property
    def _is_wide(self) -> bool:
        return not (self.has_class("-narrow") or self.has_class("-short"))

    def _show_page(self, page: str) -> None:
        self._page = page
        self.set_class(page in LEFT, "-at-left")
        stands_in = "" if self.query(f"#{PAGES[page][0]}") else "Problems"  # until the page has been made
        for name, (pane, _) in PAGES.items():
            if (name in LEFT) == (page in LEFT):
                self.query(f"#{pane}").set_class(name in (page, stands_in), "-shown")
        self.query_one("#pages", TabStrip).active = page
        if page in OF_WAYS and self.state.ways is None:
            self.read_store(self._load_ways, what="ways")
        self.set_focus(None)
        self._arrive(page)

    def _arrive(self, page: str) -> None:
        """Focus the page once it is there and laid out: what is hidden cannot take the focus."""
        if page != self._page or self.focused is not None:
            return  # turned, or gone elsewhere meanwhile
        pane = next(iter(self.query(f"#{PAGES[page][1]}")), None)
        if pane is not None and pane.region.area:
            self.set_focus(pane)  # `focus` would do it later, when another page may be shown
        else:
            self.set_timer(LAYOUT_SECONDS, lambda: self._arrive(page))

    @on(TabStrip.Picked, "#pages")
    def _picked(self, event: TabStrip.Picked) -> None:
        self._turn_to(event.name)

    def action_next_page(self) -> None:
        self._turn_to(self.query_one("#pages", TabStrip).beside(1))

    def action_previous_page(self) -> None:
        self._turn_to(self.query_one("#pages", TabStrip).beside(-1))

    def _turn_to(self, page: str) -> None:
        self._has_turned = True
        self._show_page(page)

    # -- actions ---------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        found = self.state.comparison
        if action == "next_pair":
            return found is not None and len(found.pairs) > 1
        return action not in ("losses", "try_again") or found is None or not found.are_runs

    def can_act(self, action: str) -> bool:
        from tui.screens.compare.try_again import why_not

        found, pair = self.state.comparison, self.state.pair
        if found is None or pair is None:
            return action == "next_page"
        return action != "try_again" or not why_not(found, pair)

    def action_differences(self) -> None:
        self.state.only_differences = not self.state.only_differences
        self.sync()

    def action_losses(self) -> None:
        self.state.only_losses = not self.state.only_losses
        self.sync()

    def action_next_pair(self) -> None:
        self.state.next_pair()
        self.refresh_bindings()
        self.sync()

    def action_baseline(self) -> None:
        """Make the next of the sides, as they were named, the baseline."""
        if self.state.comparison is not None:
            self.state.baseline = (self.state.baseline + 1) % len(self.state.comparison.sides)
            self._read()

    @on(LineList.Chosen, "#problems")
    @on(LineList.Chosen, "#flips")
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
        if self._page == "Flips":
            flips = self.query(FlipsPage)
            flip = flips.first().selected if flips else None
            problem = flip.problem if flip else None
        else:
            found, at = self.state.problems(), self.query_one("#problems", TableView).selected_place
            problem = found[at] if 0 <= at < len(found) else None
        if problem is None:
            self.notify("Select a problem first.")
        return problem.runs if problem else None

    def action_try_again(self) -> None:
        """Try the pair's flips again with other seeds, as an experiment of its own."""
        from tui.screens.compare.try_again import try_again

        if self.state.comparison is not None and self.state.pair is not None:
            try_again(self, self.state.comparison, self.state.pair)


def _pages_of_variants() -> list[Widget]:
    return [OperatorsPage(id="operators-page"), FlipsPage(id="flips-page"), ChartsPage(id="charts-page")]


def _pages_of_runs() -> list[Widget]:
    step = BothSides(id="step", language="report", empty="No such step.")
    return [
        BothSides(id="answers", language="python", empty="No answer."),
        Vertical(_table("steps", "Steps"), step, id="steps-page"),
        TextView(id="workflow", language="diff", empty="The workflows are the same."),
    ]


def _table(id: str, title: str) -> TableView:
    table = TableView((Column(""),), id=id, empty="Comparing …")
    table.border_title = title
    return table
