"""How a run is to leave, and where to; and the file that runs come in from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from tui.actions import bindings_for
from tui.sharing.export_runs import FORMATS, SUFFIXES, Format

TITLES: dict[Format, str] = {
    "bundle": "Bundle: for another workbench to import",
    "html": "HTML: a report in one file",
    "markdown": "Markdown: a report, with long texts shortened",
    "jsonl": "JSON lines: the events",
    "otlp": "OpenTelemetry: spans, to an OTLP endpoint",
    "parquet": "Parquet: rows to train on",
    "hf": "Data set: the same rows, for the datasets library",
}
ENDPOINT = "http://localhost:4318"


class Choice(NamedTuple):
    """What was chosen. `where` is a path, or an endpoint's URL."""

    format: Format
    where: str


class ShareScreen(ModalScreen[Choice | None]):
    """Dismisses with the choice, None where there is none."""

    CSS_PATH = "share.tcss"
    BINDINGS = bindings_for("dialog")
    AUTO_FOCUS = "#formats"

    def __init__(self, run_id: str, folder: Path) -> None:
        super().__init__(name="share")
        self._run_id, self._folder = run_id, folder

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(f"Write run {self._run_id} as", markup=False)
            options = [
                Option(Content(TITLES[name]), name) for name in sorted(FORMATS, key=list(TITLES).index)
            ]
            yield OptionList(*options, id="formats", compact=True)
            yield Label("to", markup=False)
            yield Input(id="where", compact=True)
            yield Label("Keys, home paths and environment variables are removed.", id="promise", markup=False)

    @property
    def _format(self) -> Format:
        picked = self.query_one("#formats", OptionList)
        return list(TITLES)[picked.highlighted or 0]

    @on(OptionList.OptionHighlighted, "#formats")
    def _offer(self) -> None:
        name = self._format
        path = str(self._folder / f"{self._run_id}{SUFFIXES[name]}") if name != "otlp" else ENDPOINT
        self.query_one("#where", Input).value = path

    @on(OptionList.OptionSelected, "#formats")
    @on(Input.Submitted, "#where")
    def _choose(self) -> None:
        if where := self.query_one("#where", Input).value.strip():
            self.dismiss(Choice(self._format, where))

    def action_close(self) -> None:
        self.dismiss(None)


class ImportScreen(ModalScreen[str | None]):
    """Dismisses with the path of a bundle, None where there is none."""

    CSS_PATH = "share.tcss"
    BINDINGS = bindings_for("dialog")
    AUTO_FOCUS = "#where"

    def __init__(self) -> None:
        super().__init__(name="import")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label("Import the runs of a bundle", markup=False)
            yield Input(id="where", placeholder="FILE.zip, then Enter", compact=True)

    @on(Input.Submitted, "#where")
    def _choose(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() or None)

    def action_close(self) -> None:
        self.dismiss(None)
