"""All formats, and how to tell which of them a file is in."""

from __future__ import annotations

import ast

from engine.formats.adas import ADAS, forward_function
from engine.formats.aflow import AFLOW, METAGPT
from engine.formats.format import Format, Function, class_methods
from engine.formats.maas import MAAS
from engine.formats.metaflow import METAFLOW
from engine.formats.scoreflow import SCOREFLOW

NATIVE = Format(name="native", title="the native format")
# Its operators are those of the paper's release, which has them from AFlow.
FIGURE = Format(name="figure", title="a figure of the paper", separator="")

# MetaFlow's files differ from ScoreFlow's only in their operators, so MetaFlow is tried first.
_ALL = (NATIVE, FIGURE, AFLOW, METAGPT, METAFLOW, SCOREFLOW, MAAS, ADAS)
FORMATS: dict[str, Format] = {f.name: f for f in _ALL}
# Formats that need something of their own at run time are recognised by the code alone, whenever it is read.
_BY_CODE = tuple(f for f in FORMATS.values() if f.detects is not None)


def format_of(tree: ast.Module) -> Format:
    """The format of code, as far as it matters for checking and running: native where no other one is
    detected.
    """
    return next((f for f in _BY_CODE if f.detects is not None and f.detects(tree)), NATIVE)


def entry_of(tree: ast.Module, fmt: Format | None = None) -> Function | None:
    """The function that is the workflow: `__call__`, or what its format has instead; None without one."""
    fmt = fmt or format_of(tree)
    return forward_function(tree) if fmt is ADAS else class_methods(tree).get(fmt.entry)
