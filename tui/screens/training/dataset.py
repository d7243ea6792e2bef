"""A data set out of stored runs, built while the dialog is open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from sandbox.errors import ExpectedError
from tui.actions import bindings_for
from tui.format import plural
from tui.safe import file_stem, one_line

if TYPE_CHECKING:
    from engine.config import Settings
    from training.data import Kind, Progress
    from tui.ports import Workbench

KINDS = {
    "sft": "SFT: what the meta-agent wrote, a row for each round",
    "grpo": "GRPO: problems to learn from with rewards",
    "dpo": "DPO: pairs of a better and a worse workflow",
    "repair": "Repair: a proposal that cannot run, and one that does",
}
# The preset that trains on a kind with the embedded models.
RECIPES = {"sft": "sft-embedded", "grpo": "grpo-embedded", "dpo": "dpo-embedded", "repair": "sft-embedded"}


class Built(NamedTuple):
    """A data set that is there, and the preset that trains on its kind."""

    folder: Path
    recipe: str


class DatasetScreen(ModalScreen[Built | None]):
    """Dismisses with the data set, or None. Closing it ends a build, which then leaves nothing."""

    CSS_PATH = "dataset.tcss"
    BINDINGS = bindings_for("dialog")

    def __init__(self, workbench: Workbench, *, kind: str, wanted: str = "") -> None:
        """`wanted` says which runs of the workbench's store (`training.data.Source`)."""
        super().__init__(name="dataset")
        self._settings = cast("Settings", workbench.settings)
        self._folder = workbench.store_path.parent / "datasets"
        self._first = (kind if kind in KINDS else "sft", wanted)
        self._built: Path | None = None
        self._named = False  # the user has named it

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "Data set from stored runs"
            yield OptionList(
                *(Option(Content(text), kind) for kind, text in KINDS.items()), id="kinds", compact=True
            )
            yield Label("From an experiment, a training set, or a search; empty for all runs", markup=False)
            yield Input(self._first[1], id="wanted", compact=True)
            yield Label("Folder", markup=False)
            yield Input(id="folder", compact=True)
            yield Static(id="told", markup=False)
            with Horizontal(id="answers"):
                yield Button("Build", id="build", variant="primary", compact=True)
                yield Button("Train on it", id="train", compact=True, disabled=True)

    def on_mount(self) -> None:
        kinds = self.query_one("#kinds", OptionList)
        kinds.highlighted = list(KINDS).index(self._first[0])
        self.set_focus(kinds)

    @property
    def _kind(self) -> str:
        return list(KINDS)[self.query_one("#kinds", OptionList).highlighted or 0]

    @property
    def _out(self) -> Path:
        """The folder as filled in. Raises UsageError where it is in the home of a user nobody knows."""
        from engine.paths import expanded

        named = self.query_one("#folder", Input).value.strip()
        return expanded(named) if named else self._folder / "unnamed"

    @on(OptionList.OptionHighlighted)
    @on(Input.Changed, "#wanted")
    def _offer(self) -> None:
        """Offer a folder, until the user names one."""
        self._no_longer_built()
        if not self._named:
            wanted = self.query_one("#wanted", Input).value.strip()
            name = f"{file_stem(wanted, 'all-runs', longest=40)}-{self._kind}"
            names = (name, *(f"{name}-{number}" for number in range(2, 100)))
            free = next((n for n in names if not (self._folder / n).exists()), name)
            with self.prevent(Input.Changed):
                self.query_one("#folder", Input).value = str(self._folder / free)

    @on(Input.Changed, "#folder")
    def _name(self) -> None:
        self._named = True
        self._no_longer_built()

    def _no_longer_built(self) -> None:
        self._built = None
        self.query_one("#train", Button).disabled = True

    @on(OptionList.OptionSelected)
    @on(Input.Submitted)
    @on(Button.Pressed, "#build")
    def _start(self) -> None:
        self.run_worker(self._build, group="build", exclusive=True)

    async def _build(self) -> None:
        from training.data import BuildOptions
        from tui.service.datasets import DatasetRequest, build_in_thread

        wanted = self.query_one("#wanted", Input).value.strip()
        try:
            out = self._out
            request = DatasetRequest(cast("Kind", self._kind), wanted, out, BuildOptions())
            self._tell("Reading the runs …")
            report = await build_in_thread(self._settings, request, self._progress)
        except ExpectedError as error:
            self._tell(one_line(str(error), 400), wrong=True)
            return
        self._tell("\n".join(_summary(report.to_json())))
        self._built = out
        train = self.query_one("#train", Button)
        train.disabled = False
        self.set_focus(train)

    def _progress(self, so_far: Progress) -> None:
        of = f" of {so_far.total:,}" if so_far.total is not None else ""
        noun = "runs" if so_far.phase == "reading" else "rows"
        self._tell(f"{so_far.phase.capitalize()} {so_far.done:,}{of} {noun}")

    def _tell(self, text: str, *, wrong: bool = False) -> None:
        told = self.query_one("#told", Static)
        told.set_class(wrong, "-wrong")
        told.update(text)

    @on(Button.Pressed, "#train")
    def _train(self) -> None:
        if self._built is not None:
            self.dismiss(Built(self._built, RECIPES[self._kind]))

    def action_close(self) -> None:
        self.dismiss(None)


def _summary(report: dict[str, Any]) -> list[str]:
    """What there is, and what was left out and why."""
    read = f"{report['runs']['read']:,} of {plural(report['runs']['matched'], 'run')} read"
    lines = [f"{plural(report['rows'], 'row')} on {plural(report['problems'], 'problem')}, {read}"]
    dropped = sorted(report["dropped"].items(), key=lambda pair: -pair[1])
    return [*lines, *(f"left out: {count:,} {one_line(why, 60)}" for why, count in dropped[:6])]
