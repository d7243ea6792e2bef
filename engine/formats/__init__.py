"""Reading workflow files: the native tagged completion, the paper's figures, a Python module.

A format is a layout of workflows. Converting another layout to the native one is not a repair.
"""

from engine.formats.figure import as_class
from engine.formats.module import without_provided_imports
from engine.formats.native import ParsedCompletion, parse_completion
from engine.formats.reading import read_workflow

__all__ = [
    "ParsedCompletion",
    "as_class",
    "parse_completion",
    "read_workflow",
    "without_provided_imports",
]
