"""Which operator set a workflow file was written for."""

from __future__ import annotations

from collections.abc import Sequence

from engine.formats.catalog import FORMATS
from engine.formats.reading import read_workflow
from engine.operators.sets import PAPER, SETS
from engine.workflows.build import Rejected, Workflow, build_workflow

# Diagnostics that mean the wrong set: an operator that it lacks, or has with another signature or result.
_MISFITS = frozenset(
    {"unknown-operator", "unknown-argument", "missing-argument", "too-many-arguments", "result-key"}
)


def build_for_its_set(text: str, prompts: str, sets: Sequence[str] = ()) -> Workflow | Rejected:
    """The workflow, built with the first of `sets` that fits it; by default the sets of its format, or all.

    Where none fits, the result is the one of the set that fits best, the first of equals.
    """
    names = sets or FORMATS[read_workflow(text, prompts).format].sets or (PAPER.name, *SETS)
    built: list[Workflow | Rejected] = []
    for name in dict.fromkeys(names):
        built.append(build_workflow(text, prompts, SETS[name]))
        if not _misfits(built[-1]):
            return built[-1]
    return min(built, key=_misfits)


def _misfits(built: Workflow | Rejected) -> int:
    return sum(d.code in _MISFITS and d.severity == "error" for d in built.diagnostics)
