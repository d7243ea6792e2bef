"""Which operator set a workflow file was written for."""

from __future__ import annotations

from engine.formats.catalog import FORMATS
from engine.formats.reading import read_workflow
from engine.operators.sets import PAPER, SETS
from engine.operators.specs import OperatorSet
from engine.workflows.build import Rejected, Workflow, build_workflow

# What says that a set is the wrong one: an operator it lacks, or has under another signature or result.
_MISFITS = frozenset(
    {"unknown-operator", "unknown-argument", "missing-argument", "too-many-arguments", "result-key"}
)


def build_for_its_set(text: str, prompts: str) -> Workflow | Rejected:
    """The workflow with the first set that fits it: its format's own, the paper's, then any other.

    Where none fits, what is said is said about the first of them.
    """
    fmt = FORMATS[read_workflow(text, prompts).format]
    names = dict.fromkeys((*fmt.sets, PAPER.name, *SETS))
    built = [build_workflow(text, prompts, first) for first in _existing(names)[:1]]
    if _misfits(built[0]) == 0:
        return built[0]
    built += [build_workflow(text, prompts, other) for other in _existing(names)[1:]]
    return min(built, key=_misfits)  # the first of equals


def _existing(names: dict[str, None]) -> list[OperatorSet]:
    return [SETS[name] for name in names if name in SETS]


def _misfits(built: Workflow | Rejected) -> int:
    return sum(d.code in _MISFITS and d.severity == "error" for d in built.diagnostics)
