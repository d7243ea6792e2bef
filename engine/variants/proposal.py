"""One proposal of the meta-agent: ask, parse, lint, repair, and ask once more where the workflow cannot
run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from engine.diagnostics import Diagnostic
from engine.events import Notice, WorkflowProposed
from engine.models.base import Message
from engine.models.registry import POCKET
from engine.operators.sets import PAPER
from engine.prompts import repair_messages
from engine.run.context import RunContext
from engine.workflows import Rejected, Workflow, build_workflow


class Reply(NamedTuple):
    """A reply of the meta-agent, and the id of the call, None where a journal had the reply."""

    text: str
    call_id: str | None = None


# Asks the meta-agent; `turn` is "reply", or "repair" for the second one of a proposal.
Ask = Callable[[list[Message], int, str], Awaitable[Reply]]


async def propose_for(
    context: RunContext,
    asked: list[Message],
    *,
    round_number: int,
    seed: int,
    ask: Ask | None = None,
    repair: bool = True,
) -> Workflow | Rejected:
    """A workflow out of the answer to `asked`, or why none could be made of two replies (one without
    `repair`).

    `ask` is how the meta-agent is asked, by default directly; a search asks through its journal. Raises what
    `ask` raises.
    """
    if round_number == 1:
        say_what_it_knows(context)
    ask = ask or (lambda messages, seed, _: ask_meta_agent(context, messages, seed))
    reply = await ask(asked, seed, "reply")
    built = build_workflow(reply.text, "", context.config.operators)
    emit_proposal(context, built, round_number=round_number, reply=reply)
    if isinstance(built, Workflow) or not repair:
        return built
    context.emitter.emit(
        Notice(
            level="warning",
            text=f"Round {round_number}: the workflow cannot run; the meta-agent is asked to mend it.",
        )
    )
    reply = await ask(repair_messages(asked, reply.text, diagnosis(built)), seed + 1, "repair")
    built = build_workflow(reply.text, "", context.config.operators)
    emit_proposal(context, built, round_number=round_number, reply=reply, is_repair=True)
    return built


def say_what_it_knows(context: RunContext) -> None:
    """Warn where the embedded meta-agent, trained on one operator set, is to write for another."""
    name, operators = context.services.meta_agent.name, context.config.operators.name
    if name in POCKET and operators != PAPER.name:
        text = f"{name} knows only the operator set {PAPER.name}: for {operators}, choose another meta-agent."
        context.emitter.emit(Notice(level="warning", text=text))


def diagnosis(rejected: Rejected) -> str:
    """The first errors as the meta-agent reads them, one on each line: the line, what is wrong, what to
    do.
    """
    return diagnosis_of(rejected.diagnostics)


def diagnosis_of(diagnostics: Sequence[Diagnostic]) -> str:
    """As `diagnosis`, for a workflow of which only the diagnostics are there, as in a recorded run."""
    errors = [d for d in diagnostics if d.severity == "error"] or list(diagnostics)
    lines = []
    for d in errors[:8]:
        where = f"line {d.line}: " if d.line else ""
        lines.append(f"- {where}{d.message}" + (f"; {d.fix}" if d.fix else ""))
    return "\n".join(lines)


def emit_proposal(
    context: RunContext,
    built: Workflow | Rejected,
    *,
    round_number: int,
    reply: Reply | None = None,
    is_repair: bool = False,
) -> None:
    """Emit a proposal, which may not be able to run, with the `reply` it was read from, if any."""
    runnable = isinstance(built, Workflow)
    context.emitter.emit(
        WorkflowProposed(
            round=round_number,
            workflow_id=built.id if runnable else None,
            code=built.code,
            prompts=built.prompts,
            modification=built.modification,
            strict_ok=runnable and built.strict_ok,
            diagnostics=tuple(d.to_json() for d in built.diagnostics),
            repairs=tuple(r.to_json() for r in built.repairs),
            graph=built.graph.to_json(),
            complexity=built.complexity,
            call_id=reply.call_id if reply else None,
            turn=None if reply is None else "repair" if is_repair else "reply",
        )
    )


async def ask_meta_agent(context: RunContext, messages: list[Message], seed: int) -> Reply:
    """One reply of the meta-agent, with this seed. Raises BudgetExceededError where the run may make no more
    calls, and ModelError where there is no reply.
    """
    sampling = replace(context.config.meta_sampling, seed=seed)
    completion = await context.gateway.call(context.services.meta_agent, messages, sampling, role="meta")
    return Reply(completion.text, completion.call_id)
