"""Canvas editing in the manner of FlowSteer (Zhang et al. 2026, arXiv 2602.01664): the meta-agent builds the
workflow of a query by one edit a turn, and is told after each how the workflow now runs.

An edit adds, removes, replaces, connects or instructs a call of an operator (`engine.variants.canvas`), or
ends the turns. After each the canvas is carried out once; the feedback is its answer or error and its pass
rate on the query's `val` tests, never a test. The last canvas is the workflow.

The paper trains its meta-agent by reinforcement learning on such edits; here any model is used as it is.
Sources: the paper's abstract and the release (github.com/beita6969/FlowSteer).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import Field

from engine.events import RoundFinished, RoundStarted, Split
from engine.formats.thinking import strip_thinking
from engine.ids import derived_seed
from engine.json_objects import last_object
from engine.models.base import Message
from engine.operators.specs import OperatorSet
from engine.problems import Problem
from engine.program_tests import shown_test
from engine.run.context import RunConfig, RunContext
from engine.run.execution import execute
from engine.scores.scoring import evaluate
from engine.variants import Options, Result, Variant, options_of
from engine.variants.canvas import Canvas, Edit, EditError, read_edit
from engine.variants.final import finish
from engine.variants.flowreasoner import search_split
from engine.variants.proposal import Reply, ask_meta_agent, diagnosis, emit_proposal
from engine.variants.trials import clipped
from engine.workflows import Rejected, Workflow, build_workflow

SYSTEM = """You build a workflow that solves a problem. It is a graph on a canvas: each node is a call of \
an operator, which a worker carries out. A node always gets the problem, and what the nodes that it is \
connected to give. Operators that have the parameter `instruction` can be told what to do. The answer of the \
last node that gives one is the answer of the workflow.

Operators:
{operators}

In each turn you make exactly one edit. The canvas is then run, and you are told what it gives. Think \
briefly, then end your reply with the edit as one JSON object:
{{"edit": "add", "operator": "NAME", "inputs": ["n1"], "instruction": "..."}}
{{"edit": "remove", "node": "n2"}}
{{"edit": "replace", "node": "n2", "operator": "NAME", "instruction": "..."}}
{{"edit": "connect", "node": "n3", "inputs": ["n1", "n2"]}}
{{"edit": "instruct", "node": "n1", "instruction": "..."}}
{{"edit": "finish"}}

Nodes are named n1, n2, ... in the order in which you add them. Without "inputs" a new node is connected to \
the last one; "inputs": [] connects it to the problem alone. A removed node's followers get what it got."""

_MAX_REPLY = 200_000  # characters of a reply, from its end, that are searched for an edit


class FlowSteerOptions(Options):
    """Options of FlowSteer."""

    turns: int = Field(20, ge=1, le=200, description="edits at most (release: 20)")
    give_up_after: int = Field(
        3,
        ge=1,
        description="replies in a row without an edit that can be made before the turns end (ours)",
    )


@dataclass(frozen=True)
class _State:
    """What there is after a turn: the canvas, and its workflow with the turn and the score it has on the
    tests that give feedback.
    """

    canvas: Canvas
    workflow: Workflow | None = None
    turn: int = 0
    score: float | None = None


async def solve(context: RunContext) -> Result:
    """Edit the canvas turn by turn, then run its workflow for the final score. Raises what `finish`
    raises.
    """
    options = options_of(FlowSteerOptions, context.config.options)
    state = _State(Canvas(context.config.operators))
    messages = first_messages(context.problem, context.config.operators)
    refused, why = 0, ""
    for turn in range(1, options.turns + 1):
        context.emitter.emit(RoundStarted(round=turn))
        seed = derived_seed(context.config.seed, "meta", turn)
        reply = await ask_meta_agent(context, messages, seed)
        try:
            edit = read_edit(last_object(strip_thinking(reply.text[-_MAX_REPLY:]), "edit"))
            if edit.kind == "finish" and state.canvas.result is not None:
                _close(context, turn, state, "The canvas is finished.")
                break
            state, feedback = await _edited(context, state, edit, reply, turn)
            refused = 0
        except EditError as error:
            refused, why = refused + 1, str(error)
            feedback = f"That edit cannot be made: {why}."
            _close(context, turn, None, feedback)
        if refused >= options.give_up_after:
            break
        told = f"{feedback}\n\nThe canvas:\n{state.canvas.drawn()}\n\nMake the next edit, or finish."
        messages.append({"role": "assistant", "content": reply.text})
        messages.append({"role": "user", "content": told})
    if state.workflow is None:
        name = context.services.meta_agent.name
        text = f"no edit of the meta-agent {name} gave a workflow that can run; use a stronger one: {why}"
        return Result(None, None, None, None, text)
    return await finish(context, state.workflow, round_number=state.turn, val_score=state.score)


def first_messages(problem: Problem, operators: OperatorSet) -> list[Message]:
    """The beginning of the conversation. Only visible tests are ever shown."""
    parts = [f"Problem:\n{problem.prompt.strip()}"]
    if problem.entry_point:
        parts.append(f"Entry point: {problem.entry_point}")
    if problem.tests.visible:
        parts.append("Visible tests:\n" + "\n".join(map(shown_test, problem.tests.visible)))
    parts.append("The canvas is empty. Make the first edit.")
    return [
        {"role": "system", "content": SYSTEM.format(operators=operators.describe())},
        {"role": "user", "content": "\n\n".join(parts)},
    ]


async def _edited(
    context: RunContext, state: _State, edit: Edit, reply: Reply, turn: int
) -> tuple[_State, str]:
    """The state after an edit and a run of its canvas, with the feedback. Raises EditError where the edit
    cannot be made.
    """
    if edit.kind == "finish":
        raise EditError("there is no workflow to finish with")
    canvas = state.canvas.edited(edit)
    if canvas.result is None:
        _close(context, turn, None, "No node gives an answer yet.")
        return replace(state, canvas=canvas), "No node gives an answer yet, so nothing was run."
    built = build_workflow(canvas.code(), canvas.prompts(), context.config.operators)
    if isinstance(built, Rejected):
        raise EditError(f"the workflow could not run:\n{diagnosis(built)}")
    workflow = replace(built, modification=str(edit))
    emit_proposal(context, workflow, round_number=turn, reply=reply)
    score, feedback = await _run(context, workflow, turn, search_split(context.problem))
    after = _State(canvas, workflow, turn, score)
    _close(context, turn, after, feedback)
    return after, feedback


async def _run(
    context: RunContext, workflow: Workflow, turn: int, split: Split | None
) -> tuple[float | None, str]:
    """(the pass rate, or None; the feedback) of one execution."""
    execution = await execute(context, workflow, round_number=turn, repeat=1, purpose="val")
    if execution.answer is None:
        feedback = f"The workflow fails: {clipped(execution.error or execution.status, 600)}"
    else:
        feedback = f"The workflow gives:\n{clipped(execution.answer.strip())}"
    if split is None:
        return None, feedback
    score = await evaluate(context, execution, workflow, split, 1)
    why = f": {score.reason}" if score.reason and execution.answer is not None else ""
    return score.value, f"{feedback}\n\n{score.passed} of {score.total} tests pass{why}."


def _close(context: RunContext, turn: int, state: _State | None, feedback: str) -> None:
    workflow_id = state.workflow.id if state and state.workflow else None
    score = state.score if state else None
    context.emitter.emit(RoundFinished(round=turn, workflow_id=workflow_id, score=score, feedback=feedback))


def _most_calls(config: RunConfig) -> tuple[int, None]:
    return options_of(FlowSteerOptions, config.options).turns, None


# The embedded meta-agent writes whole workflows only.
VARIANT = Variant(solve, FlowSteerOptions, most_calls=_most_calls, embedded=False)
