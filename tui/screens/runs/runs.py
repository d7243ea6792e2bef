"""Every run in the store, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Label

from tui.actions import bindings_for
from tui.format import left_out, plural
from tui.marks import Marks
from tui.run_rows import RUN_COLUMNS, run_row
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.compare.ahead import get_ready
from tui.screens.runs.filters import Filters, RunsFilter, facet_choices
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.table_view import TableView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from store.annotations import Annotation
    from store.rows import Cursor, RunRow

PAGE = 200


class RunsScreen(WorkbenchScreen[None]):
    """Pages are read by keyset, so that the thousandth costs as much as the first."""

    CSS_PATH = "runs.tcss"
    BINDINGS = bindings_for("runs")

    def __init__(self) -> None:
        super().__init__(name="runs")
        self._failed = False
        self._search = ""
        self._pages: list[Cursor | None] = [None]  # where each page up to the shown one begins
        self._next: Cursor | None = None
        self._runs: tuple[RunRow, ...] = ()
        self._marks = Marks()
        self._said: dict[str, list[Annotation]] = {}
        self._part = ""
        self._filters: Filters | None = None

    def compose(self) -> ComposeResult:
        yield TitleBar("Runs")
        with Horizontal(id="filter"):
            yield Label("/", id="slash")
            yield Input(
                id="search",
                placeholder="Words in queries, prompts and responses; status:, variant:, benchmark:",
                compact=True,
            )
            yield Label("", id="unsent", markup=False)
            yield Label("", id="failed", markup=False)
        yield TableView(RUN_COLUMNS, id="runs", empty="Reading the store …")
        yield Footer()

    def on_mount(self) -> None:
        self._table.border_title = "Runs"
        self.set_focus(self._table)
        self._show_filter()

    def on_screen_resume(self) -> None:
        self.query_one(TitleBar).note = self.navigation.workbench.sandbox_note
        self._read()

    @property
    def shown_run(self) -> str | None:
        return self._table.selected

    @property
    def _table(self) -> TableView:
        return self.query_one("#runs", TableView)

    @property
    def filters(self) -> Filters:
        """The searches that were made before, and the filters with a name."""
        if self._filters is None:
            self._filters = Filters(self.navigation.memory)
        return self._filters

    def _read(self) -> None:
        self.read_store(self._load)

    def _restart(self) -> None:
        self._pages, self._next = [None], None
        self._show_filter()
        self._table.move(0)
        self._read()

    def widen(self) -> bool:
        box = self.query_one("#search", Input)
        narrowed = bool(self._failed or self._search)
        was_typing = box.has_focus or bool(box.value)
        box.value = self._search = ""
        self._failed = False
        self.set_focus(self._table)
        if narrowed:
            self._restart()
        return narrowed or was_typing

    @on(Input.Changed, "#search")
    def _show_filter(self) -> None:
        typed = self.query_one("#search", Input).value.strip()
        self.query_one("#unsent", Label).update("" if typed == self._search else "enter searches  ")
        label = self.query_one("#failed", Label)
        label.update("failed only" if self._failed else "all runs")
        label.set_class(self._failed, "-on")

    async def _load(self) -> None:
        from store.errors import StoreError

        table = self._table
        records = self.navigation.records
        try:
            page = await records.runs(
                failed=self._failed, search=self._search, limit=PAGE, before=self._pages[-1]
            )
            self._said = await records.read(
                lambda reader: reader.annotations.of([run.id for run in page.rows])
            )
        except StoreError as error:
            table.empty = f"The store cannot be read: {one_line(str(error), 200)}"
            table.show([])
            table.refresh()
            return
        narrowed = self._failed or self._search
        table.empty = "No run matches this filter." if narrowed else "No run yet. Press r to start one."
        self._runs, self._next = page.rows, page.next_cursor
        self._count(len(page.rows), partial=page.is_partial)

    def _count(self, shown: int, *, partial: bool) -> None:
        """Say what part of the whole this is."""
        number = len(self._pages)
        if number == 1 and self._next is None:
            text = plural(shown, "run")
        else:
            more = ", older runs follow" if self._next else ", the oldest"
            text = f"page {number}: {plural(shown, 'run')}{more}"
        notes = ("newest matches only" if partial else "", left_out(self.navigation.records.damaged))
        self._part = " · ".join(filter(None, (text, *notes)))
        self._show()

    def _show(self) -> None:
        """The page's runs; marked ones have their letter where their status would be."""
        table, marked = self._table, self._marks.keys
        table.show([run_row(run, marked, self._said.get(run.id, ())) for run in self._runs])
        is_part = self._next is not None or len(self._pages) > 1
        table.tell(" · ".join(filter(None, (self._marks.told, self._part))), part=is_part)
        table.refresh()
        self.refresh_bindings()

    @on(Input.Submitted, "#search")
    def _submitted(self, event: Input.Submitted) -> None:
        self._apply(RunsFilter(event.value.strip(), self._failed))

    def _apply(self, wanted: RunsFilter) -> None:
        """Show the runs of a filter, and remember its search."""
        self._search, self._failed = wanted
        self.query_one("#search", Input).value = wanted.search
        self.filters.note(wanted.search)
        self._restart()
        self.set_focus(self._table)

    @on(LineList.Chosen, "#runs")
    def _open(self) -> None:
        if self._table.selected is not None:
            self.navigation.open_trace(self._table.selected)

    def can_act(self, action: str) -> bool:
        match action:
            case "older":
                return self._next is not None
            case "newer":
                return len(self._pages) > 1
            case "compare":
                return not self._marks.problem
            case _:
                return True

    def action_mark(self) -> None:
        if self._table.selected is None:
            return
        if problem := self._marks.toggle(self._table.selected):
            self.notify(problem)
        self._show()
        get_ready(self)

    def action_compare(self) -> None:
        if problem := self._marks.problem:
            self.notify(problem)
        else:
            self.navigation.open_comparison(self._marks.keys)

    def action_search(self) -> None:
        self.set_focus(self.query_one("#search"))

    def action_earlier_filter(self) -> None:
        self._walk(-1)

    def action_later_filter(self) -> None:
        self._walk(1)

    def _walk(self, by: int) -> None:
        """Put another search of the history into the field, where that is being written."""
        box = self.query_one("#search", Input)
        if box.has_focus:
            box.value = self.filters.walk(by, box.value)
            box.cursor_position = len(box.value)

    def action_saved(self) -> None:
        """Pick one of the saved filters."""
        from tui.screens.pick.pick import PickScreen

        saved = self.filters.saved
        if not saved:
            self.notify("No filter is saved yet; S saves the one in use.")
            return

        def picked(name: str | None) -> None:
            if name is not None:
                self._apply(saved[name])

        choices = [(name, one.words) for name, one in saved.items()]
        self.app.push_screen(PickScreen("Show the runs of a saved filter", choices), picked)

    def action_save(self) -> None:
        """Give the filter in use a name."""
        from tui.screens.ask.ask import AskScreen

        current = RunsFilter(self._search, self._failed)
        if current == RunsFilter():
            self.notify("There is no filter to save: search, or show only failed runs, first.")
            return

        def named(name: str | None) -> None:
            if name is not None:
                self.notify(one_line(self.filters.save(name, current), 300))

        question, hint = (
            f"Save this filter as: {current.words}",
            "A name that has just this filter is forgotten.",
        )
        self.app.push_screen(AskScreen(question, hint=hint, known=list(self.filters.saved)), named)

    def action_facets(self) -> None:
        """Pick a status, variant, benchmark or label, by how many of the runs shown have it."""
        self.navigation.open_after(self._pick_facet)

    async def _pick_facet(self) -> None:
        from store.errors import StoreError
        from store.run_filter import parse_filter, with_term
        from tui.screens.pick.pick import PickScreen

        wanted, failed, search = parse_filter(self._search), self._failed, self._search
        try:
            found = await self.navigation.records.read(lambda reader: reader.facets(wanted, failed=failed))
        except StoreError as error:
            self.notify(one_line(str(error), 300), severity="error")
            return

        def picked(term: str | None) -> None:
            if term is not None:
                self._apply(RunsFilter(with_term(search, *term.split(":", 1)), failed))

        counted = f"the newest {found.counted:,}" if found.is_part else plural(found.counted, "run")
        question = f"Narrow by what there is, counted over {counted}"
        self.app.push_screen(PickScreen(question, facet_choices(found, search)), picked)

    def action_failed(self) -> None:
        self._failed = not self._failed
        self._restart()

    def action_older(self) -> None:
        if self._next is None:
            self.notify("These are the oldest.")
            return
        self._pages.append(self._next)
        self._table.move(0)
        self._read()

    def action_newer(self) -> None:
        if len(self._pages) > 1:
            self._pages.pop()
            self._table.move(0)
            self._read()

    def action_import_bundle(self) -> None:
        from tui.screens.share.sharing import import_runs

        import_runs(self.app, self.navigation.workbench.store_path, self._imported)

    def _imported(self) -> None:
        if self.is_current:
            self.action_reload()

    def action_reload(self) -> None:
        self._restart()
