"""The result of a search that found a workflow: kept as JSON, and run on each problem of the task."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.journal import Journal
from engine.models.base import Message
from engine.operators.metaflow_sets import NotRenamableError
from engine.operators.own import OperatorSetError, load_set
from engine.operators.specs import OperatorSet
from engine.run.context import RunContext
from engine.variants import Result
from engine.variants.final import finish
from engine.variants.proposal import Ask, Reply, ask_meta_agent, diagnosis, emit_proposal
from engine.workflows import Rejected, Workflow, build_workflow


def found_workflow(workflow: Workflow, *, round_number: int, val_score: float | None) -> dict[str, Any]:
    """The workflow that a search chose, as JSON-ready data; `val_score` is in [0, 1]."""
    return {
        "workflow_id": workflow.id,
        "code": workflow.code,
        "prompts": workflow.prompts,
        "modification": workflow.modification,
        "operators": workflow.operators.name,
        "strict_ok": workflow.strict_ok,
        "round": round_number,
        "val_score": val_score,
    }


def read_found(found: Mapping[str, Any], operators: OperatorSet) -> Workflow | Rejected:
    """The workflow of `found_workflow`, built with the set it was found with where that is known, else with
    `operators`. A workflow that was repaired when it was found stays marked so.
    """
    name = str(found.get("operators"))
    if name != operators.name and not name.endswith(".toml"):
        with contextlib.suppress(OperatorSetError, NotRenamableError):
            operators = load_set(name)
    built = build_workflow(str(found.get("code", "")), str(found.get("prompts", "")), operators)
    if isinstance(built, Rejected):
        return built
    return replace(
        built,
        modification=str(found.get("modification", "")),
        strict_ok=built.strict_ok and bool(found.get("strict_ok", True)),
    )


async def solve_found(context: RunContext) -> Result:
    """Run the workflow that the search chose, and never another one, and score it. Raises what `finish`
    raises.
    """
    if context.found is None:
        return not_searched(context)
    variant = context.config.variant
    workflow = read_found(context.found, context.config.operators)
    if isinstance(workflow, Rejected):
        text = f"the workflow that {variant} found cannot run with the operator set "
        return Result(None, None, None, None, f"{text}{context.config.operators.name}: {diagnosis(workflow)}")
    emit_proposal(context, workflow, round_number=1)
    return await finish(context, workflow, round_number=1, val_score=context.found.get("val_score"))


def not_searched(context: RunContext) -> Result:
    """The result of a run whose variant has to search first, which says so."""
    variant = context.config.variant
    text = (
        f"{variant} first searches over the problems of a task; run it with "
        f"`flowreasoner bench BENCHMARK --variant {variant}`"
    )
    return Result(None, None, None, None, text)


def journalled(context: RunContext, journal: Journal, prefix: str) -> Ask:
    """A way of asking the meta-agent that records each reply as `prefix/turn`: a search that is resumed gets
    the reply it had.
    """

    async def ask(messages: list[Message], seed: int, turn: str) -> Reply:
        call_id: str | None = None

        async def make() -> str:
            nonlocal call_id
            text, call_id = await ask_meta_agent(context, messages, seed)
            return text

        return Reply(await journal.once(f"{prefix}/{turn}", make), call_id)

    return ask
