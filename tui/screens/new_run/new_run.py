"""The form that starts a run, filled in with the bundled example so that Enter runs it."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.suggester import SuggestFromList
from textual.validation import Integer
from textual.widgets import Button, Checkbox, Input, Label, TextArea

from engine.operators.own import OperatorSetError, load_set
from engine.operators.sets import SETS
from engine.problems import SPLITS, Problem, ProblemError, Tests
from engine.variants import OptionError, UnknownVariantError
from engine.variants.own import available
from engine.variants.spec import AUTO, read_spec
from tui.actions import bindings_for
from tui.safe import clean, one_line
from tui.screens.base import WorkbenchScreen
from tui.service.asked.problem import resolve
from tui.service.requests import NewRun
from tui.widgets.footer import Footer
from tui.widgets.title_bar import TitleBar

FIELDS = {
    "variant": ("Variant", "A name, NAME,OPTION=VALUE or your own FILE.py"),
    "meta_agent": ("Meta-agent", "The model that writes workflows"),
    "worker": ("Worker", "The model that operators call"),
    "operators": ("Operators", "auto for the variant's own, a set's name, or your own FILE.toml"),
    "rounds": ("Rounds", "Workflows to try at most"),
    "repeats": ("Repeats", "Executions of each workflow"),
    "seed": ("Seed", "The same seed, the same sampling"),
}
NUMBERS = {
    "rounds": Integer(minimum=1, maximum=1000),
    "repeats": Integer(minimum=1, maximum=100),
    "seed": Integer(minimum=0),
}


_CHECKS = {"variant": read_spec, "operators": lambda name: name == AUTO or load_set(name)}
_SUGGESTED = {
    "variant": lambda: SuggestFromList(available()),
    "operators": lambda: SuggestFromList([AUTO, *SETS]),
}


class NewRunScreen(WorkbenchScreen[NewRun | None]):
    """Dismisses with the request as filled in, or None."""

    CSS_PATH = "new_run.tcss"
    BINDINGS = bindings_for("form")

    def __init__(self, request: NewRun, data: Path | None = None) -> None:
        """`data` is the folder with the benchmarks' files."""
        super().__init__(name="form")
        self._request = request
        self._data = data
        self._problem = request.problem

    def compose(self) -> ComposeResult:
        request = self._request
        yield TitleBar("New run")
        with VerticalScroll(id="form"):
            with Vertical(id="ask"):
                yield Label("Query", classes="name")
                yield TextArea(clean(request.problem.prompt), id="prompt", compact=True)
                yield Label("", id="tests", markup=False)
                yield Checkbox("Use these tests", request.problem.tests.__bool__(), id="keep", compact=True)
                yield Checkbox("Let the worker write visible tests first", id="make", compact=True)
            with Horizontal(classes="field"):
                yield Label("Load", classes="name")
                hint = "FILE.json, FILE.jsonl#ID or BENCHMARK:ID, then Enter"
                yield Input(id="file", placeholder=hint, compact=True)
            for field, (name, hint) in FIELDS.items():
                with Horizontal(classes="field"):
                    yield Label(name, classes="name")
                    value = str(getattr(request, field))
                    validators = [NUMBERS[field]] if field in NUMBERS else None
                    known = _SUGGESTED[field]() if field in _SUGGESTED else None
                    yield Input(value, id=field, compact=True, validators=validators, suggester=known)
                    yield Label(hint, classes="hint")
            yield Label("", id="complaint", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Run", variant="primary", id="start", compact=True)
                yield Label("Enter runs it as filled in", classes="hint")
        yield Footer()

    def on_mount(self) -> None:
        self._show_problem(self._problem)
        self.query_one("#start").focus()

    def _show_problem(self, problem: Problem) -> None:
        self._problem = problem
        self.query_one("#ask").border_title = f"Problem · {one_line(problem.id, 50)}".replace("[", "\\[")
        self.query_one("#prompt", TextArea).load_text(clean(problem.prompt))
        counts = [f"{len(getattr(problem.tests, s))} {s}" for s in SPLITS if getattr(problem.tests, s)]
        written = ", the visible ones model-written" if problem.tests.written_by == "model" else ""
        told = (
            f"Tests: {', '.join(counts)}{written}"
            if counts
            else "No tests: there will be an answer but no score."
        )
        self.query_one("#tests", Label).update(told)
        keep = self.query_one("#keep", Checkbox)
        keep.display = bool(counts)
        keep.value = bool(counts)
        self.query_one("#make", Checkbox).display = not counts

    @on(Input.Submitted, "#file")
    async def _load_file(self, event: Input.Submitted) -> None:
        event.stop()
        source = event.value.strip()
        try:
            problem = await asyncio.to_thread(resolve, source, self._data)
        except ProblemError as error:
            self._complain(str(error))
            return
        self._show_problem(problem)
        self._complain(f"Loaded {problem.id}", good=True)

    @on(Input.Submitted, ".field Input")
    def _submitted(self, event: Input.Submitted) -> None:
        if event.input.id != "file":  # there Enter loads the file
            self.action_start()

    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        """Check the form and hand it over."""
        for field in NUMBERS:
            box = self.query_one(f"#{field}", Input)
            if (result := box.validate(box.value)) is not None and not result.is_valid:
                self._complain(f"{FIELDS[field][0]}: {result.failure_descriptions[0]}")
                box.focus()
                return
        values = {field: self.query_one(f"#{field}", Input).value.strip() for field in FIELDS}
        if missing := next((field for field, value in values.items() if not value), None):
            self._complain(f"{FIELDS[missing][0]} is empty")
            self.query_one(f"#{missing}").focus()
            return
        for field, check in _CHECKS.items():
            try:
                check(values[field])
            except (OperatorSetError, UnknownVariantError, OptionError) as error:
                self._complain(str(error))
                self.query_one(f"#{field}").focus()
                return
        problem = self._edited()
        if problem is None:
            self._complain("The query is empty")
            self.query_one("#prompt").focus()
            return
        request = dataclasses.replace(
            self._request,
            problem=problem,
            variant=values["variant"],
            meta_agent=values["meta_agent"],
            worker=values["worker"],
            operators=values["operators"],
            rounds=int(values["rounds"]),
            repeats=int(values["repeats"]),
            seed=int(values["seed"]),
            make_tests=not problem.tests and self.query_one("#make", Checkbox).value,
        )
        self.dismiss(request)

    def _edited(self) -> Problem | None:
        """The problem as the form has it; under another id where it is no longer the one loaded."""
        problem = self._problem
        prompt = self.query_one("#prompt", TextArea).text
        if not prompt.strip():
            return None
        if prompt != clean(problem.prompt):
            problem = dataclasses.replace(problem, prompt=prompt, id=f"{problem.id}-edited")
        if problem.tests and not self.query_one("#keep", Checkbox).value:
            problem = dataclasses.replace(problem, tests=Tests(), id=f"{problem.id}-untested")
        return problem

    def _complain(self, text: str, *, good: bool = False) -> None:
        label = self.query_one("#complaint", Label)
        label.update(one_line(text, 300))
        label.set_class(good, "-good")
