"""The form that starts an experiment; what it would take is told before it can be started."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.suggester import SuggestFromList
from textual.validation import Integer, Number, Validator
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Static, TextArea

from engine.benchmarks import CATALOGUE
from engine.variants.own import available
from sandbox.errors import ExpectedError
from tui.actions import bindings_for
from tui.ports import Workbench
from tui.safe import clean, one_line
from tui.screens.drafted import DraftedScreen, text_of
from tui.service.requests import DEFAULT_CONCURRENCY, NewExperiment, Placement
from tui.widgets.footer import Footer
from tui.widgets.title_bar import TitleBar

FIELDS = {
    "benchmark": ("Benchmark", "A name, or a JSONL file of problems"),
    "data": ("Data", "Its local file or folder, where it needs one"),
    "split": ("Split", "As in aflow-1:4; empty for all problems"),
    "name": ("Name", "Empty: one is made"),
    "limit": ("Limit", "At most this many problems; empty for all"),
    "search_limit": ("Search limit", "Problems for searches at most; empty: as Limit"),
    "repeats": ("Repeats", "Trials per variant and problem"),
    "executions": ("Executions", "Of a workflow in a trial"),
    "concurrency": ("Concurrency", "Trials at once"),
    "budget_usd": ("Budget", "US dollars; once spent, no more trials start"),
    "seed": ("Seed", "Of the first repeat; 1 more each"),
}
NUMBERS: dict[str, Validator] = {
    "limit": Integer(minimum=1),
    "search_limit": Integer(minimum=1),
    "repeats": Integer(minimum=1, maximum=1000),
    "executions": Integer(minimum=1, maximum=100),
    "concurrency": Integer(minimum=1, maximum=10_000),
    "budget_usd": Number(minimum=0),
    "seed": Integer(minimum=0),
}
_FILLED = {
    "benchmark": "pocket",
    "repeats": "1",
    "executions": "3",
    "concurrency": str(DEFAULT_CONCURRENCY),
    "seed": "0",
}


class SpecArea(TextArea):
    """Variants, one a line; the name being typed is completed with the right arrow."""

    def update_suggestion(self) -> None:
        """Textual's hook: the rest of the first variant that begins like the line at the cursor."""
        row, column = self.cursor_location
        line = self.document.get_line(row)
        found = next((n for n in available() if n.startswith(line) and n != line), "") if line else ""
        self.suggestion = found[len(line) :] if found and column == len(line) else ""


LAST = "last_experiment"  # what the last one was started with, in `tui.memory`
Filled = tuple[NewExperiment, Placement]


class NewExperimentScreen(DraftedScreen[Filled | None]):
    """Dismisses with the request and where it is to run, as filled in, or None."""

    CSS_PATH = "new_experiment.tcss"
    BINDINGS = bindings_for("bench")
    AUTO_FOCUS = "#variants"
    form = "experiment"

    def __init__(self, workbench: Workbench, variants: Sequence[str] = ()) -> None:
        super().__init__(name="bench")
        self._workbench = workbench
        self._variants = variants or (workbench.settings.variant,)
        self._previewed: Filled | None = None
        self._asked_from: Widget | None = None  # where the focus was when the preview was asked for
        self._told_first = False  # f2 was pressed before there was a preview

    def compose(self) -> ComposeResult:
        yield TitleBar("New experiment")
        with VerticalScroll(id="form", can_focus=False):
            with Vertical(id="specs") as specs:
                specs.border_title = "Variants, one a line: NAME or NAME,KEY=VALUE"
                yield SpecArea(clean("\n".join(self._variants)), id="variants", compact=True)
            for field, (name, hint) in FIELDS.items():
                with Horizontal(classes="field"):
                    yield Label(name, classes="name")
                    known = SuggestFromList(CATALOGUE) if field == "benchmark" else None
                    value = _FILLED.get(field, "")
                    yield Input(value, id=field, compact=True, suggester=known)
                    yield Label(hint, classes="hint")
            yield Label("", id="complaint", markup=False)
            yield Static("", id="preview", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Preview", variant="primary", id="look", compact=True)
                yield Button("Start", id="begin", compact=True, disabled=True)
                yield Label("Preview shows calls and cost; Start runs it", classes="hint")
        yield Footer()

    def on_mount(self) -> None:
        last = self.navigation.memory.get(LAST)
        if isinstance(last, dict):
            self.fill({**last, "name": ""})  # every experiment has a name of its own
        if self.restore():
            self._complain("As you left it; ctrl+n starts over.", good=True)

    def filled(self) -> dict[str, Any]:
        variants = {"variants": self.query_one("#variants", TextArea).text}
        return variants | {field: self.query_one(f"#{field}", Input).value for field in FIELDS}

    def fill(self, values: dict[str, Any]) -> None:
        area = self.query_one("#variants", TextArea)
        area.load_text(text_of(values, "variants", area.text))
        for field in FIELDS:
            box = self.query_one(f"#{field}", Input)
            box.value = text_of(values, field, box.value)

    def action_reset(self) -> None:
        self.start_over()

    def action_choose(self) -> None:
        """List the benchmarks, or the variants, and take the one that is picked."""
        from tui.screens.pick.pick import PickScreen

        box, area = self.query_one("#benchmark", Input), self.query_one("#variants", TextArea)

        def benchmark(name: str | None) -> None:
            if name is not None:
                box.value = name

        def variant(name: str | None) -> None:
            if name is not None:
                lines = [line for line in area.text.splitlines() if line.strip()]
                area.load_text("\n".join(dict.fromkeys([*lines, name])))

        if self.focused is area:
            self.app.push_screen(PickScreen("Add a variant", list(available().items())), variant)
        else:
            found = [(b.name, f"{b.about}, {b.size:,} problems") for b in CATALOGUE.values()]
            self.app.push_screen(PickScreen("Benchmark", found), benchmark)

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _edited(self) -> None:
        """What was told is no longer what would start."""
        self._previewed = None
        self.query_one("#begin", Button).disabled = True
        self.query_one("#preview", Static).update("")

    @on(Input.Submitted)
    @on(Button.Pressed, "#look")
    def action_preview(self) -> None:
        """Tell what the experiment as filled in would take."""
        filled = self._filled()
        if filled is not None:
            self._asked_from = self.focused
            self._complain("")
            self.query_one("#preview", Static).update("Reading the problems …")
            self.run_worker(partial(self._look, filled), group="preview", exclusive=True)

    @on(Button.Pressed, "#begin")
    def action_start(self) -> None:
        """Start what was previewed; before that, say that a preview comes first."""
        if self._previewed is not None:
            self.dismiss(self._previewed)
        elif any(worker.group == "preview" and not worker.is_finished for worker in self.workers):
            self._complain("Still estimating; press f2 once the estimate is shown.")
        else:
            self._told_first = True
            self.action_preview()

    async def _look(self, filled: Filled) -> None:
        from tui.reports.experiments import (
            ESTIMATE_HEAD,
            estimate_cells,
            estimate_leaks,
            estimate_total,
        )
        from tui.reports.tables import table

        shown, typed = self.query_one("#preview", Static), self.filled()
        settings, rows = self._workbench.settings, []
        try:
            rows = await self._workbench.estimate(filled[0])
            why = await self._workbench.check(settings.meta_agent, settings.worker)
        except ExpectedError as error:
            why = str(error)
        if typed != self.filled():
            return  # it has been edited meanwhile, and is not what would start
        if why:
            shown.update("")
            self._complain(why)
            return
        if self._told_first:
            self._complain("This is the estimate; f2 again starts the experiment.", good=True)
        # Of all that the command prints, what fits beside a form.
        cells = [estimate_cells(row) for row in rows]
        columns = (0, 1, 2, 3, 6, 7) if self.size.width >= 110 else (0, 1, 2, 3, 6)
        head = [ESTIMATE_HEAD[i] for i in columns]
        text = table(head, [[row[i] for i in columns] for row in cells])
        shown.update("\n".join([text, estimate_total(rows), *estimate_leaks(rows)]))
        self._previewed = filled
        begin = self.query_one("#begin", Button)
        begin.disabled = False
        if self.focused is self._asked_from:
            self.set_focus(begin)
        self.call_after_refresh(begin.scroll_visible, animate=False)

    def _filled(self) -> Filled | None:
        """What is filled in; None after telling what is wrong."""
        values = {field: self.query_one(f"#{field}", Input).value.strip() for field in FIELDS}
        for field, validator in NUMBERS.items():
            result = validator.validate(values[field])
            if values[field] and not result.is_valid:
                self._complain(f"{FIELDS[field][0]}: {result.failure_descriptions[0]}")
                self.set_focus(self.query_one(f"#{field}"))
                return None
        specs = [line.strip() for line in self.query_one("#variants", TextArea).text.splitlines()]
        if not values["benchmark"] or not any(specs):
            missing = "benchmark" if not values["benchmark"] else "variants"
            self._complain("Name a benchmark" if missing == "benchmark" else "Name a variant")
            self.set_focus(self.query_one(f"#{missing}"))
            return None

        def number(field: str) -> int | None:
            return int(values[field]) if values[field] else None

        request = NewExperiment(
            benchmark=values["benchmark"],
            variants=tuple(spec for spec in specs if spec),
            name=values["name"] or None,
            split=values["split"] or None,
            data=Path(values["data"]) if values["data"] else None,
            limit=number("limit"),
            search_limit=number("search_limit"),
            repeats=number("repeats"),
            executions=number("executions"),
            seed=number("seed"),
        )
        placement = Placement(
            concurrency=number("concurrency") or DEFAULT_CONCURRENCY,
            budget_usd=float(values["budget_usd"]) if values["budget_usd"] else None,
        )
        return request, placement

    def _complain(self, text: str, *, good: bool = False) -> None:
        label = self.query_one("#complaint", Label)
        label.update(one_line(text, 300))
        label.set_class(good, "-good")
