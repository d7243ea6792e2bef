"""Live control of a run: pause, step, breakpoints, look and change; and a line that says where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from textual.app import RenderResult
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from tui.safe import one_line
from tui.trace.nodes import StepNode

if TYPE_CHECKING:
    from tui.engines import Engines
    from tui.navigation import Navigation
    from tui.screens.stop.stop import Decision
    from tui.session import RunSession

STOPPED_ONLY = ("step_over", "step_into", "step_out", "change", "run_to")
LIVE_ONLY = ("pause", "breakpoints", "finish", "cancel", *STOPPED_ONLY)


class StopBar(Widget):
    """Controls one run. It is there to see only while the run stands still.

    What is asked of the engine comes back as events, like everything else that happens to a run.
    """

    DEFAULT_CSS = """
    StopBar { height: 1; padding: 0 1; background: $warning-muted; color: $text-warning; display: none; }
    StopBar.-stopped { display: block; }
    """

    class BreakpointsSet(Message):
        """The run has other breakpoints."""

    def __init__(self, session: RunSession, engines: Engines) -> None:
        super().__init__(id="stop-bar")
        self._session, self._engines = session, engines

    def sync(self) -> None:
        """Bring the line up to date."""
        self.set_class(self._session.state.stop is not None, "-stopped")
        self.refresh()

    def render(self) -> RenderResult:
        stop = self._session.state.stop
        if stop is None:
            return Content("")
        keys = [("s over", "step_over"), ("S into", "step_into"), ("O out", "step_out")]
        keys += [("c change", "change"), ("p continue", "pause")]
        links = Content("  ").join(
            Content.from_markup(f"[@click=screen.{action}]{label}[/]") for label, action in keys
        )
        room = max(self.content_region.width - links.cell_length - 4, 10)
        reason = "" if stop.reason in ("pause", "step") else f"  ({stop.reason})"
        told = one_line(f"‖ stopped: {stop.words}{reason}", room)
        return Content.assemble((told, "bold"), " " * (room - len(told) + 2), links)

    def can(self, action: str) -> bool:
        """Whether one of LIVE_ONLY can be taken now; what cannot leaves the footer."""
        session = self._session
        # What is played from the store is not a run that could be stopped.
        if not session.live or session.pace is not None or session.state.finished:
            return False
        return action not in STOPPED_ONLY or session.state.stop is not None

    def pause(self) -> None:
        """Stop at the next crossing, or go on."""
        if self._session.state.stop is not None:
            self._engines.act(self._session, "continue")
        else:
            self._engines.act(self._session, "pause")
            self.notify("The run pauses at its next step or call.")

    def step(self, how: Literal["over", "into", "out"]) -> None:
        """Go on to the next crossing of this kind."""
        self._engines.act(self._session, "step", how=how)

    def run_to(self, line: int | None) -> None:
        """Go on until this line of the workflow is reached."""
        if line is None:
            self.notify("First select a step whose line is known.")
        else:
            self._engines.act(self._session, "continue", until=f"line {line}")

    def finish(self) -> None:
        """End the run; what its last step gave is scored."""
        self._engines.act(self._session, "finish")

    def cancel(self) -> None:
        """Ask, and cancel the run."""
        from tui.screens.confirm.confirm import ConfirmScreen

        def answered(yes: bool | None) -> None:
            if yes:
                self._engines.act(self._session, "cancel")

        question = "Cancel this run? Its record so far stays in the store."
        self.app.push_screen(ConfirmScreen(question, "Cancel run"), answered)

    def choose_breakpoints(self, step: StepNode | None) -> None:
        """Ask where the run is to stop; `step` is what the suggestions are made from."""
        from tui.screens.breakpoints.breakpoints import BreakpointsScreen

        suggested = [f"line {step.line}"] if step and step.line else []
        suggested += [f"before {step.operator}", f"after {step.operator}"] if step else []
        suggested += ["before *", "error", "verdict", "model"]

        def take(chosen: list[str] | None) -> None:
            if chosen is not None:
                self._session.breakpoints = chosen
                self._engines.act(self._session, "break", breakpoints=chosen)
                self.post_message(self.BreakpointsSet())

        self.app.push_screen(BreakpointsScreen(self._session.breakpoints, suggested), take)

    async def change(self) -> None:
        """Show what passes at the stop, to be changed or let through."""
        from tui.screens.stop.stop import StopScreen

        def decide(decision: Decision | None) -> None:
            if decision is not None:
                cast("Navigation", self.app).memory.drop_draft(shown.form)
                self._engines.act_all(self._session, decision.acts)

        if stop := await self._engines.stop_of(self._session):
            shown = StopScreen({**stop, "run": self._session.run_id})
            self.app.push_screen(shown, decide)
