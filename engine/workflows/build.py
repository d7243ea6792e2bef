"""From text to a workflow that can run, or to the reasons why it cannot, in one call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock

from cachetools import LRUCache, cached

from engine.diagnostics import Diagnostic, Repair, has_errors
from engine.formats.native import ParsedCompletion
from engine.formats.reading import read_workflow
from engine.operators.specs import OperatorSet
from engine.workflows.complexity import complexity
from engine.workflows.graph import WorkflowGraph
from engine.workflows.identity import workflow_id
from engine.workflows.lint import lint
from engine.workflows.partial import partial_graph
from engine.workflows.repair import repair


@dataclass(frozen=True)
class Workflow:
    """A workflow that can run.

    `id` is the content address of code, prompts and operators. `code` is what runs; `source` is what was
    written, which differs where repairs were made; `modification` is its author's note on what it changes.
    `diagnostics` are those of the source, at the lines they have in `code`. `strict_ok` says that the source
    itself can run, so that a score can be reported for it as written. `operators` are those it was checked
    against and runs with; `format` names the `engine.formats.catalog` entry it was read as.
    """

    id: str
    code: str
    prompts: str
    modification: str
    source: str
    diagnostics: tuple[Diagnostic, ...]
    repairs: tuple[Repair, ...]
    graph: WorkflowGraph
    complexity: int
    strict_ok: bool
    operators: OperatorSet
    format: str = "native"


@dataclass(frozen=True)
class Rejected:
    """Text that could not be made a workflow. `code` is as written; `diagnostics` hold at least one error.

    `repairs` are those that were possible but not enough; `graph` shows as much as parses.
    """

    code: str
    prompts: str
    modification: str
    diagnostics: tuple[Diagnostic, ...]
    repairs: tuple[Repair, ...]
    graph: WorkflowGraph
    complexity: int
    operators: OperatorSet
    format: str = "native"


def _key(text: str, prompts: str, operator_set: OperatorSet) -> tuple[str, str, str]:
    return text, prompts, operator_set.identity


@cached(LRUCache(64), _key, Lock())
def build_workflow(text: str, prompts: str, operator_set: OperatorSet) -> Workflow | Rejected:
    """Read, lint, repair and lint again. `text` is a completion, a module or a figure.

    `prompts` are those of a module's sibling file, empty for a completion. Bad text gives a `Rejected`, never
    an exception. An experiment builds the same workflow for every problem, so the latest results are kept.
    """
    read = read_workflow(text, prompts)
    if has_errors(read.problems):
        return _rejected(read, read.problems, (), operator_set)
    written = (*read.problems, *lint(read.code, read.prompts, operator_set))
    fixed = repair(read.code, read.prompts, operator_set)
    if fixed.left is not None:
        written = (*read.problems, fixed.left, *(d for d in written if d.code != "graph-syntax"))
    left = lint(fixed.code, fixed.prompts, operator_set) if fixed.repairs else written
    if has_errors(left):
        # Where the text did not parse as written, the diagnostics of the repaired text say more.
        unread = any(d.code == "graph-syntax" for d in written)
        reported = (*read.problems, *(_shifted(d, -fixed.shift) for d in left)) if unread else written
        return _rejected(read, reported, fixed.repairs, operator_set)
    return Workflow(
        id=workflow_id(fixed.code, fixed.prompts, operator_set.identity),
        code=fixed.code,
        prompts=fixed.prompts,
        modification=read.modification,
        source=read.code,
        diagnostics=tuple(_shifted(d, fixed.shift) for d in written),
        repairs=tuple(replace(r, line=r.line + fixed.shift if r.line else r.line) for r in fixed.repairs),
        graph=partial_graph(fixed.code, operator_set),
        complexity=complexity(fixed.code),
        strict_ok=not has_errors(written),
        operators=operator_set,
        format=read.format,
    )


def _shifted(diagnostic: Diagnostic, lines: int) -> Diagnostic:
    if diagnostic.line is None or diagnostic.code.startswith("prompt-"):
        return diagnostic
    return replace(diagnostic, line=diagnostic.line + lines)


def _rejected(
    read: ParsedCompletion,
    diagnostics: tuple[Diagnostic, ...],
    repairs: tuple[Repair, ...],
    operator_set: OperatorSet,
) -> Rejected:
    return Rejected(
        read.code,
        read.prompts,
        read.modification,
        diagnostics,
        repairs,
        partial_graph(read.code, operator_set),
        complexity(read.code),
        operator_set,
        read.format,
    )
