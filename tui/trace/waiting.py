"""What a run waits for: the innermost thing that has started and not finished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from tui.trace.nodes import CallNode, ExecutionNode, ProposalNode, RoundNode, StepNode

if TYPE_CHECKING:
    from tui.trace.state import RunState

# What waits are compared with: others on the same model, of the same operator, for a container, for scores.
Kind = Literal["model", "rate-limit", "operator", "slot", "scoring", "stop", "other", "nothing"]


class Waiting(NamedTuple):
    """What kind of wait, on which model or operator, in words, and since when (seconds of the run)."""

    kind: Kind
    name: str
    text: str
    since: float


def waiting_on(state: RunState) -> Waiting:
    """What `state` waits for now. Kind "nothing" once the run has ended."""
    if state.finished:
        return Waiting("nothing", "", "", state.mono)
    if state.stop is not None:
        who = "you: paused" if state.stop.reason in ("pause", "step") else "a breakpoint:"
        return Waiting("stop", "", f"{who} {state.stop.words}", state.pauses[-1].started)
    if state.loading is not None:
        model, since = state.loading
        return Waiting("other", model, f"loading {model} into memory", since)
    for key in reversed(state.tree.open):
        node = state.tree.nodes[key]
        if isinstance(node, CallNode):
            return _on_call(state, node)
        if isinstance(node, StepNode):
            return Waiting("operator", node.operator, f"sandbox running {node.operator}", node.started)
        if isinstance(node, ExecutionNode):
            return Waiting("other", "", "sandbox running the workflow", _quiet_since(state, node))
        if isinstance(node, RoundNode):
            return _in_round(state, node)
    return Waiting("other", "", "the next event", state.mono)


def _on_call(state: RunState, call: CallNode) -> Waiting:
    if call.retries and not len(call.text) and not len(call.reasoning):
        retry = call.retries[-1]
        text = f"retry {retry.attempt} of {call.model}: {retry.reason}"
        # Until the pause is over it is the limit that is waited for, then the model again.
        return Waiting("rate-limit", call.model, text, retry.at)
    if call.role == "meta":
        text = f"meta-agent {'writing a workflow' if len(call.text) else 'thinking'}"
    else:
        step = state.tree.nodes.get(call.parent) if call.parent else None
        text = f"worker answering {step.operator}" if isinstance(step, StepNode) else "worker answering"
    return Waiting("model", call.model, text, call.started)


def _quiet_since(state: RunState, execution: ExecutionNode) -> float:
    """When the last of its steps ended: since then the workflow's own code has run."""
    last = state.tree.nodes[execution.children[-1]] if execution.children else execution
    return execution.started if last.ended is None else max(last.ended, execution.started)


def _in_round(state: RunState, round_node: RoundNode) -> Waiting:
    """Between the parts of a round: a container to run in, or a score."""
    last = state.tree.nodes[round_node.children[-1]] if round_node.children else None
    if isinstance(last, ProposalNode) and last.workflow_id is not None:
        return Waiting("slot", "", "a container slot", last.started)
    if isinstance(last, ExecutionNode) and last.ended is not None:
        return Waiting("scoring", "", "sandbox scoring the answer", last.ended)
    return Waiting("other", "", f"round {round_node.number}", state.mono)
