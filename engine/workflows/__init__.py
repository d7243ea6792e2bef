"""Workflows: a meta-agent's text parsed, checked, repaired where policy allows, drawn and named.

Nothing here executes what it reads: the text is parsed on the host and runs in the sandbox.
"""

from engine.diagnostics import Diagnostic, Repair, describe
from engine.formats.native import ParsedCompletion, parse_completion
from engine.workflows.build import Rejected, Workflow, build_workflow
from engine.workflows.complexity import complexity
from engine.workflows.graph import Edge, Node, WorkflowGraph
from engine.workflows.identity import workflow_id
from engine.workflows.lint import lint
from engine.workflows.partial import partial_graph
from engine.workflows.repair import RepairResult, repair

__all__ = [
    "Diagnostic",
    "Edge",
    "Node",
    "ParsedCompletion",
    "Rejected",
    "Repair",
    "RepairResult",
    "Workflow",
    "WorkflowGraph",
    "build_workflow",
    "complexity",
    "describe",
    "lint",
    "parse_completion",
    "partial_graph",
    "repair",
    "workflow_id",
]
