"""The form that starts a training job: a recipe, what to change in it, and what that would take."""

from __future__ import annotations

import asyncio
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label, Static

from sandbox.errors import ExpectedError
from tui.actions import bindings_for
from tui.jobs.fields import choices_of, kind_of, text_of
from tui.safe import one_line
from tui.screens.ask.ask import AskScreen
from tui.screens.base import WorkbenchScreen
from tui.service.jobs.launch import Launch, gpu_numbers
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.table_view import Column, TableRow, TableView
from tui.widgets.text_view import TextView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from training.recipes.fields import RecipeField

FIELD_COLUMNS = (
    Column("", least=1),
    Column("Setting", "name", least=12),
    Column("Value", least=12),
    Column("Was", least=12, rank=8),
    Column("What it is", least=40, most=200, rank=9),
)
FIRST = "sft-embedded"


class LaunchScreen(WorkbenchScreen[Launch | None]):
    """Begins with `first`, and dismisses with the job as filled in, or None."""

    CSS_PATH = "launch.tcss"
    BINDINGS = bindings_for("launch")

    def __init__(self, first: Launch, title: str = "New training job") -> None:
        super().__init__(name="launch")
        self._title = title
        self._start_with = first
        self._changes: dict[str, str] = {}
        self._fields: dict[str, RecipeField] = {}
        self._tried: Launch | None = None
        self._kind = ""  # of the recipe

    def compose(self) -> ComposeResult:
        first = self._start_with
        yield TitleBar(self._title)
        with Vertical(id="asked"):
            with Horizontal(classes="field"):
                yield Label("Recipe", classes="name")
                yield Input(first.recipe, id="name-recipe", compact=True, placeholder="A preset, or a file")
                yield Label("Data", classes="name second")
                yield Input(first.data, id="name-data", compact=True, placeholder="Folder of a data set")
            with Horizontal(classes="field"):
                yield Label("Name", classes="name")
                yield Input(first.name, id="name-name", compact=True, placeholder="Made if empty")
                yield Label("Host", classes="name second")
                yield Input("local", id="name-host", compact=True)
                yield Label("GPUs", classes="name second")
                yield Input("", id="name-gpus", compact=True, placeholder="As in 0,1")
        yield TableView(FIELD_COLUMNS, id="fields", empty="Reading the recipe …")
        yield Static(id="about", markup=False)
        yield Label("", id="complaint", markup=False)
        yield TextView(id="preview", empty="")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#preview").display = False
        hosts = ["local", *self.navigation.jobs.hosts]
        self.query_one("#name-host", Input).suggester = SuggestFromList(hosts)
        self._table.border_title = "Settings: enter changes one"
        self.set_focus(self._table)
        self.run_worker(self._read, group="recipe", exclusive=True)

    @property
    def _table(self) -> TableView:
        return self.query_one("#fields", TableView)

    # -- the recipe --------------------------------------------------------------------------------

    def _filled(self) -> Launch:
        """Raises UsageError: what is filled in cannot be."""
        value = {
            name: self.query_one(f"#name-{name}", Input).value.strip()
            for name in ("recipe", "data", "name", "host", "gpus")
        }
        return Launch(
            recipe=value["recipe"],
            changes=tuple(self._changes.items()),
            data=value["data"],
            name=value["name"],
            host=value["host"] or "local",
            gpus=gpu_numbers(value["gpus"]) if value["gpus"] else None,
            parent=self._start_with.parent,
        )

    async def _read(self) -> bool:
        """Show the recipe with the changes; whether it is one."""
        from training.recipes import presets
        from training.recipes.fields import fields

        self.query_one("#name-recipe", Input).suggester = SuggestFromList(await asyncio.to_thread(presets))
        try:
            launch = self._filled()
            recipe = await asyncio.to_thread(launch.resolved)
            unchanged = await asyncio.to_thread(Launch(recipe=launch.recipe).resolved)
        except ExpectedError as error:
            self._complain(str(error))
            return False
        self._complain("")
        data = self.query_one("#name-data", Input)
        if recipe.data.path and not data.value.strip():  # nothing has been typed there meanwhile either
            data.value = recipe.data.path
        self._kind = recipe.kind
        before = {field.name: text_of(field.default) for field in fields(unchanged)}
        # The data set has a line of its own.
        self._fields = {field.name: field for field in fields(recipe) if field.name != "data.path"}
        self._table.show([self._row(field, before.get(name, "")) for name, field in self._fields.items()])
        self._table.tell(f"{recipe.kind}: {len(self._fields)} settings")
        self._table.refresh()
        self._describe()
        return True

    def _row(self, field: RecipeField, before: str) -> TableRow:
        changed = field.name in self._changes
        return TableRow(
            field.name,
            (
                ("*" if changed else " ", "warning"),
                (one_line(field.name, 60), ""),
                (one_line(text_of(field.default), 60) or "–", "warning" if changed else "accent"),
                (one_line(before, 60) if changed else "", "muted"),
                (one_line(field.description, 200), "muted"),
            ),
        )

    @on(LineList.Highlighted, "#fields")
    def _describe(self) -> None:
        field = self._fields.get(self._table.selected or "")
        if field is None:
            return
        line = Content.assemble(
            (field.name, "bold"),
            (f"  {kind_of(field)}\n", "$foreground 60%"),
            one_line(field.description, 400),
        )
        self.query_one("#about", Static).update(line)

    @on(Input.Submitted)
    def _changed_recipe(self) -> None:
        self.run_worker(self._read, group="recipe", exclusive=True)
        self.set_focus(self._table)

    @on(Input.Blurred, "#name-recipe")
    def _left_recipe(self) -> None:
        """The settings are those of the recipe that is named, however its field is left."""
        self.run_worker(self._read, group="recipe", exclusive=True)

    @on(Input.Changed)
    def _edited(self) -> None:
        """What was tried is no longer what would start."""
        self._forget()

    def _forget(self) -> None:
        self._tried = None
        self.query_one("#preview").display = False

    # -- changing a setting ------------------------------------------------------------------------

    @on(LineList.Chosen, "#fields")
    def _change(self) -> None:
        field = self._fields.get(self._table.selected or "")
        if field is None:
            return
        known = choices_of(field)
        kind = "" if known else f"{kind_of(field)}; "
        hint = f"{kind}now {text_of(field.default) or 'not set'}"

        def answered(value: str | None) -> None:
            if value is not None:
                self.run_worker(partial(self._set, field.name, value), group="recipe", exclusive=True)

        self.app.push_screen(AskScreen(field.name, hint=hint, known=known), answered)

    async def _set(self, key: str, value: str) -> None:
        """Take the value if the recipe does; else say why not and keep what was."""
        before = dict(self._changes)
        self._changes[key] = value
        self._forget()
        if not await self._read():
            self._changes = before

    def action_reset(self) -> None:
        if self._changes.pop(self._table.selected or "", None) is not None:
            self._forget()
            self.run_worker(self._read, group="recipe", exclusive=True)

    # -- the data set ------------------------------------------------------------------------------

    def action_build(self) -> None:
        """Build a data set from stored runs, and take it."""
        from tui.screens.training.dataset import Built, DatasetScreen

        def built(found: Built | None) -> None:
            if found is not None:
                self.query_one("#name-data", Input).value = str(found.folder)
                self.query_one("#name-recipe", Input).value = self._recipe_for(found.recipe)
                self.run_worker(self._read, group="recipe", exclusive=True)

        self.app.push_screen(DatasetScreen(self.navigation.workbench, kind=self._kind), built)

    def _recipe_for(self, preset: str) -> str:
        """The recipe there is, if it is of the preset's kind; else the preset."""
        now = self.query_one("#name-recipe", Input).value
        return now if preset.startswith(self._kind) else preset

    # -- trying and starting -----------------------------------------------------------------------

    def action_preview(self) -> None:
        """Say what the job would take, how it differs from its parent, and the command."""
        self.run_worker(self._try, group="try", exclusive=True)

    def action_start(self) -> None:
        """Start what was tried; try it first."""
        if self._tried is None:
            self.action_preview()
        else:
            self.dismiss(self._tried)

    async def _try(self) -> None:
        hosts = self.navigation.jobs.hosts
        view = self.query_one("#preview", TextView)
        view.display = True
        view.border_title = "Dry run"
        view.show("Reading the data set and the base …")
        try:
            launch = self._filled()
            if launch.host != "local" and launch.host not in hosts:
                raise _UnknownHostError(launch.host, sorted(hosts))
            spec = partial(launch.spec, self.navigation.jobs.folder, hosts.get(launch.host))
            await asyncio.to_thread(spec)  # what it would refuse is told before the data set is read
            told = await asyncio.to_thread(_dry_run, launch)
            is_edited = launch != self._filled()
        except ExpectedError as error:
            view.display = False
            self._complain(str(error))
            return
        if is_edited:
            view.display = False  # it has been edited meanwhile, and is not what would start
            return
        self._complain("")
        view.border_title = "Dry run: f2 starts it"
        view.show(told)
        self._tried = launch

    def _complain(self, text: str) -> None:
        self.query_one("#complaint", Label).update(one_line(text, 300))


class _UnknownHostError(ExpectedError):
    def __init__(self, name: str, known: list[str]) -> None:
        there = ", ".join(["local", *known])
        super().__init__(
            f"there is no host {name!r}; there are {there}; add [hosts.NAME] to the config file for another"
        )


def _dry_run(launch: Launch) -> str:
    """Raises ExpectedError: the recipe or its data cannot be used."""
    from tui.service.jobs.launch import differences, estimate

    recipe = launch.resolved()
    lines = [shlex.join(launch.command), "", *estimate(recipe)]
    if launch.parent is not None:
        told = [f"{key}: {was} → {now}" for key, was, now in differences(Path(launch.recipe), recipe)]
        lines += ["", "changed from the parent:", *(told or ["nothing"])]
    return "\n".join(lines)
