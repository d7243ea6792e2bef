"""Live control on the run screen: pause, step, stops, look and change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget

from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.session import RunSession
from tui.trace.nodes import StepNode
from tui.widgets.outline_view import OutlineView
from tui.widgets.text_view import TextView

if TYPE_CHECKING:
    from tui.screens.stop.stop import Decision

STOPPED_ONLY = ("step_over", "step_into", "step_out", "change", "run_to")
LIVE_ONLY = ("pause", "breakpoints", "finish", "cancel", *STOPPED_ONLY)


class StopBar(Widget):
    """One line that says where the run stands and what can be done; there only while it stands."""

    DEFAULT_CSS = """
    StopBar { height: 1; padding: 0 1; background: $warning-muted; color: $text-warning; display: none; }
    StopBar.-stopped { display: block; }
    """

    def __init__(self, session: RunSession) -> None:
        super().__init__(id="stop-bar")
        self._session = session

    def sync(self) -> None:
        self.set_class(self._session.state.stop is not None, "-stopped")
        self.refresh()

    def render(self) -> RenderResult:
        stop = self._session.state.stop
        if stop is None:
            return Content("")
        keys = [("s over", "step_over"), ("S into", "step_into"), ("O out", "step_out")]
        keys += [("c change", "change"), ("p go on", "pause")]
        links = Content("  ").join(
            Content.from_markup(f"[@click=screen.{action}]{label}[/]") for label, action in keys
        )
        room = max(self.content_region.width - links.cell_length - 4, 10)
        reason = "" if stop.reason in ("pause", "step") else f"  ({stop.reason})"
        told = one_line(f"‖ stopped: {stop.words}{reason}", room)
        return Content.assemble((told, "bold"), " " * (room - len(told) + 2), links)


class LiveControl(WorkbenchScreen[None]):
    """The actions of a run in progress. Their outcome comes as events, like everything else."""

    session: RunSession

    def _can(self, action: str) -> bool:
        """Whether a live action can be taken now; what cannot leaves the footer."""
        if not self.session.live or self.session.state.finished:
            return False
        return action not in STOPPED_ONLY or self.session.state.stop is not None

    def _act(self, action: str, **args: Any) -> None:
        self.workbench_app.act(self.session, action, **args)

    def sync_stop(self) -> None:
        """Bring the bar and the source's marks up to date."""
        self.query_one(StopBar).sync()
        lines = {int(t.split()[1]) for t in self.session.breakpoints if t.startswith("line ")}
        self.query_one("#workflow", TextView).mark_stops(lines)

    def action_pause(self) -> None:
        if self.session.state.stop is not None:
            self._act("continue")
        else:
            self._act("pause")
            self.notify("The run stops at its next step or call.")

    def action_step_over(self) -> None:
        self._act("step", how="over")

    def action_step_into(self) -> None:
        self._act("step", how="into")

    def action_step_out(self) -> None:
        self._act("step", how="out")

    def action_run_to(self) -> None:
        line = self._selected_line()
        if line is None:
            self.notify("First select a step whose line is known.")
        else:
            self._act("continue", until=f"line {line}")

    def action_finish(self) -> None:
        self._act("finish")

    def action_breakpoints(self) -> None:
        from tui.screens.breakpoints.breakpoints import BreakpointsScreen

        step, line = self._selected_step(), self._selected_line()
        suggested = [f"line {line}"] if line else []
        suggested += [f"before {step.operator}", f"after {step.operator}"] if step else []
        suggested += ["before *", "error", "verdict", "model"]

        def take(chosen: list[str] | None) -> None:
            if chosen is not None:
                self.session.breakpoints = chosen
                self._act("break", breakpoints=chosen)
                self.sync_stop()

        self.app.push_screen(BreakpointsScreen(self.session.breakpoints, suggested), take)

    def action_change(self) -> None:
        self.run_worker(self._change, group="stop", exclusive=True)

    async def _change(self) -> None:
        from tui.screens.stop.stop import StopScreen
        from tui.service.engine_process.sockets import EngineError

        try:
            state = await self.workbench_app.workbench.act(self.session.run_id, "state")
        except EngineError as error:
            self.notify(one_line(str(error), 300), severity="warning")
            return
        if state.get("stop"):
            self.app.push_screen(StopScreen(state["stop"]), self._decide)

    def _decide(self, decision: Decision | None) -> None:
        if decision is not None:
            self.workbench_app.act_all(self.session, decision.acts)

    def _selected_step(self) -> StepNode | None:
        state, key = self.session.state, self.query_one(OutlineView).selected
        while key is not None and key in state.nodes:
            node = state.nodes[key]
            if isinstance(node, StepNode):
                return node
            key = node.parent
        return None

    def _selected_line(self) -> int | None:
        step = self._selected_step()
        return step.line if step else None
