"""From a step on the run screen to the playground."""

from __future__ import annotations

from tui.screens.run.live import LiveControl
from tui.trace.nodes import CallNode


class PlaygroundControl(LiveControl):
    """The action that opens the playground; on a run that is a grid itself, that grid."""

    def action_playground(self) -> None:
        from tui.screens.playground.playground import PlaygroundScreen

        state, step = self.session.state, self._selected_step()
        if state.variant == "playground":
            parent, at = state.origin.get("parent"), state.origin.get("forked_at")
            if isinstance(parent, str) and isinstance(at, str):
                self.app.push_screen(PlaygroundScreen(parent, at, grid=state.run_id))
            return
        if step is None:
            self.notify("First select the step whose prompt you want to edit.")
        elif not any(isinstance(state.nodes[key], CallNode) for key in step.children):
            self.notify(
                f"{step.operator} called no model, so it has no prompt."
                if not step.reused
                else "This step was served from the parent's record; open it there (P opens the parent)."
            )
        else:
            self.app.push_screen(PlaygroundScreen(state.run_id, step.key[1]))
