"""From a step on the run screen to the playground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.trace.nodes import CallNode, StepNode
from tui.trace.state import RunState

if TYPE_CHECKING:
    from tui.screens.playground.playground import PlaygroundScreen


def playground_of(state: RunState, step: StepNode | None) -> PlaygroundScreen | str:
    """The playground of a step; of a run that is a grid itself, that grid. Text says why there is none."""
    from tui.screens.playground.playground import PlaygroundScreen

    if state.variant == "playground":
        parent, at = state.origin.get("parent"), state.origin.get("forked_at")
        if isinstance(parent, str) and isinstance(at, str):
            return PlaygroundScreen(parent, at, grid=state.run_id)
        return "The record does not say which step this grid belongs to."
    if step is None:
        return "First select the step whose prompt you want to edit."
    if any(isinstance(state.tree.nodes[key], CallNode) for key in step.children):
        return PlaygroundScreen(state.run_id, step.key[1])
    if step.reused:
        return (
            "This step was served from the parent's record; open the playground there (P opens the parent)."
        )
    return f"{step.operator} called no model, so it has no prompt."
