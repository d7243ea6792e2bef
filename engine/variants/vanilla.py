"""Vanilla: one worker call with the default prompt, pass@1 (the papers' first baseline)."""

from __future__ import annotations

from importlib.resources import files

from engine.context import RunContext
from engine.operators.sets import PAPER
from engine.variants import Result, Variant
from engine.variants.final import finish
from engine.variants.proposal import emit_proposal
from engine.workflows import Workflow, build_workflow

_FILES = {
    "code": "vanilla_code.py",
    "qa": "vanilla_text.py",
    "math": "vanilla_text.py",
    "open": "vanilla_open.py",
}


async def solve(context: RunContext) -> Result:
    """Execute the fixed workflow `repeats` times and score it."""
    source = (files("engine.variants") / "files" / _FILES[context.problem.kind]).read_text(encoding="utf-8")
    workflow = build_workflow(source, "", PAPER)  # written for it, whatever set was chosen
    assert isinstance(workflow, Workflow)
    emit_proposal(context, workflow, round_number=1)
    return await finish(context, workflow, round_number=1, val_score=None)


VARIANT = Variant(solve)
