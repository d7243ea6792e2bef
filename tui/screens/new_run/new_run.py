"""The form that starts a run, filled in with the bundled example so that Enter runs it."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Input, Label, TextArea

from engine.problems import SPLITS, Problem, ProblemError, Tests, parse_problem
from tui.actions import bindings_for
from tui.safe import clean, one_line
from tui.screens.drafted import DraftedScreen, text_of
from tui.screens.new_run.fields import FIELDS, MODELS, NUMBERS, choices, problem_of, suggested
from tui.service.asked.problem import resolve
from tui.service.requests import NewRun
from tui.widgets.check_box import CheckBox
from tui.widgets.footer import Footer
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from tui.app import WorkbenchApp

LAST = "last_run"  # what the last run was started with, in `tui.memory`


class NewRunScreen(DraftedScreen[NewRun | None]):
    """Dismisses with the request as filled in, once nothing speaks against starting it; or with None."""

    CSS_PATH = "new_run.tcss"
    BINDINGS = bindings_for("form")
    AUTO_FOCUS = "#start"
    form = "run"

    def __init__(self, request: NewRun) -> None:
        super().__init__(name="form")
        self._request = request
        self._problem = request.problem

    def compose(self) -> ComposeResult:
        request = self._request
        yield TitleBar("New run")
        with VerticalScroll(id="form", can_focus=False):
            with Vertical(id="ask"):
                yield Label("Query", classes="name")
                yield TextArea(clean(request.problem.prompt), id="prompt", compact=True)
                yield Label("", id="tests", markup=False)
                yield CheckBox("Use these tests", bool(request.problem.tests), id="keep")
                yield CheckBox("Let the worker write visible tests first", id="make")
            with Horizontal(classes="field"):
                yield Label("Load", classes="name")
                hint = "FILE.json, FILE.jsonl#ID or BENCHMARK:ID, then Enter"
                yield Input(id="file", placeholder=hint, compact=True)
            for field, (name, hint) in FIELDS.items():
                with Horizontal(classes="field"):
                    yield Label(name, classes="name")
                    value = str(getattr(request, field))
                    validators = [NUMBERS[field]] if field in NUMBERS else None
                    known = suggested(field)
                    yield Input(value, id=field, compact=True, validators=validators, suggester=known)
                    yield Label(hint, classes="hint")
            yield Label("", id="complaint", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Run", variant="primary", id="start", compact=True)
                yield Label("Enter starts the run; f3 lists a field's choices", classes="hint")
        yield Footer()

    def on_mount(self) -> None:
        self._show_problem(self._problem)
        self._offer_last()
        if self.restore():
            self._complain("As you left it; ctrl+n starts over.", good=True)

    def _offer_last(self) -> None:
        """What the last run was started with, but where the settings have changed since."""
        last = self.navigation.memory.get(LAST)
        used, then = (last.get("used"), last.get("settings")) if isinstance(last, dict) else (None, None)
        if isinstance(used, dict) and isinstance(then, dict):
            now = _fields(self._request)
            self._fill_fields({name: v for name, v in used.items() if now.get(name) == then.get(name)})

    # -- the draft -------------------------------------------------------------------------------

    def filled(self) -> dict[str, Any]:
        return {
            **self._values(),
            "problem": self._problem.to_json(),
            "prompt": self.query_one("#prompt", TextArea).text,
            "file": self.query_one("#file", Input).value,
            "keep": self.query_one("#keep", CheckBox).value,
            "make": self.query_one("#make", CheckBox).value,
        }

    def fill(self, values: dict[str, Any]) -> None:
        with suppress(ProblemError):  # of another version: the text is what matters
            self._show_problem(parse_problem(values.get("problem"), "the draft"))
        self.query_one("#prompt", TextArea).load_text(text_of(values, "prompt", self._problem.prompt))
        self.query_one("#file", Input).value = text_of(values, "file", "")
        self.query_one("#keep", CheckBox).value = values.get("keep") is True
        self.query_one("#make", CheckBox).value = values.get("make") is True
        self._fill_fields(values)

    def _fill_fields(self, values: dict[str, Any]) -> None:
        for field in FIELDS:
            box = self.query_one(f"#{field}", Input)
            box.value = text_of(values, field, box.value)

    def action_reset(self) -> None:
        self.start_over()
        self._complain("The form is as it opened.", good=True)

    # -- the problem -----------------------------------------------------------------------------

    def _show_problem(self, problem: Problem) -> None:
        self._problem = problem
        self.query_one("#ask").border_title = f"Problem · {one_line(problem.id, 50)}".replace("[", "\\[")
        self.query_one("#prompt", TextArea).load_text(clean(problem.prompt))
        counts = [f"{len(getattr(problem.tests, s))} {s}" for s in SPLITS if getattr(problem.tests, s)]
        written = ", the visible ones model-written" if problem.tests.written_by == "model" else ""
        told = (
            f"Tests: {', '.join(counts)}{written}"
            if counts
            else "No tests: the run will have an answer but no score."
        )
        self.query_one("#tests", Label).update(told)
        keep = self.query_one("#keep", CheckBox)
        keep.display = bool(counts)
        keep.value = bool(counts)
        self.query_one("#make", CheckBox).display = not counts

    @on(Input.Submitted, "#file")
    async def _load_file(self, event: Input.Submitted) -> None:
        event.stop()
        source = event.value.strip()
        try:
            problem = await asyncio.to_thread(resolve, source, self.navigation.workbench.settings.data)
        except ProblemError as error:
            self._complain(str(error))
            return
        self._show_problem(problem)
        self._complain(f"Loaded {problem.id}", good=True)

    def _edited(self) -> Problem | None:
        """The problem as the form has it; under another id where it is no longer the one loaded."""
        problem = self._problem
        prompt = self.query_one("#prompt", TextArea).text
        if not prompt.strip():
            return None
        if prompt != clean(problem.prompt):
            problem = dataclasses.replace(problem, prompt=prompt, id=f"{problem.id}-edited")
        if problem.tests and not self.query_one("#keep", CheckBox).value:
            problem = dataclasses.replace(problem, tests=Tests(), id=f"{problem.id}-untested")
        return problem

    # -- picking and starting --------------------------------------------------------------------

    def action_choose(self) -> None:
        """List what the field in focus can be."""
        box = self.focused
        if not isinstance(box, Input) or box.id not in ("variant", "operators", *MODELS):
            self._complain(
                "First go to Variant, Meta-agent, Worker or Operators (tab); f3 lists their choices."
            )
            return
        from tui.screens.pick.pick import PickScreen

        def picked(name: str | None) -> None:
            if name is not None:
                box.value = name

        workbench = self.navigation.workbench
        is_model = box.id in MODELS
        offered = workbench.models() if is_model else choices(box.id)
        more = workbench.served_models if is_model else None
        self.app.push_screen(PickScreen(FIELDS[box.id][0], offered, more=more), picked)

    @on(Input.Submitted, ".field Input")
    def _submitted(self, event: Input.Submitted) -> None:
        if event.input.id != "file":  # there Enter loads the file
            self.action_start()

    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        """Check the form, and what it needs, and hand it over."""
        values = self._values()
        if (wrong := problem_of(values)) is not None:
            field, why = wrong
            self._complain(why)
            self.set_focus(self.query_one(f"#{field}"))
            return
        problem = self._edited()
        if problem is None:
            self._complain("The query is empty")
            self.set_focus(self.query_one("#prompt"))
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
            make_tests=not problem.tests and self.query_one("#make", CheckBox).value,
        )
        self._complain("Checking the models and the sandbox …", good=True)
        self.run_worker(partial(self._hand_over, request), group="check", exclusive=True)

    async def _hand_over(self, request: NewRun) -> None:
        """Close with the request, unless it is known already that it could not begin."""
        if why := await self.navigation.workbench.check(request.meta_agent, request.worker):
            self._complain(why)
            return
        self.dismiss(request)

    def _values(self) -> dict[str, str]:
        return {field: self.query_one(f"#{field}", Input).value.strip() for field in FIELDS}

    def _complain(self, text: str, *, good: bool = False) -> None:
        label = self.query_one("#complaint", Label)
        label.update(one_line(text, 300))
        label.set_class(good, "-good")
        self.call_after_refresh(label.scroll_visible, animate=False)


def _fields(request: NewRun) -> dict[str, str]:
    return {field: str(getattr(request, field)) for field in FIELDS}


def remembered(used: NewRun, default: NewRun) -> dict[str, Any]:
    """What to remember under `LAST` of a run that was started."""
    return {"used": _fields(used), "settings": _fields(default)}


def fill_in(app: WorkbenchApp, request: NewRun) -> None:
    """Open the form on this request, and start what it is filled in with."""

    def start(filled: NewRun | None) -> None:
        if filled is not None:
            app.start_run(filled, begun=lambda: begun(filled))

    def begun(filled: NewRun) -> None:
        app.memory.drop_draft(NewRunScreen.form)
        app.memory.put(LAST, remembered(filled, request))

    app.push_screen(NewRunScreen(request), start)
