"""What a workflow format is: how to recognise it, and what a workflow written for it can rely on.

This is data. The linter reads it to know what a file may use, and the guest provides exactly that (`shim`),
so that both agree.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from engine.diagnostics import Diagnostic
from engine.operators.specs import RUN_INPUTS
from sandbox.errors import UsageError

Function = ast.FunctionDef | ast.AsyncFunctionDef


class FormatError(UsageError):
    """Something cannot be read or written in a format; the message says what, where, and what to do."""


def _nothing(_: ast.Module) -> list[Diagnostic]:
    return []


@dataclass(frozen=True)
class Format:
    """A format. `title` is for people; `detects` recognises its code, where running it needs something of its
    own.

    `entry` is the method, or the function at module level, that is the workflow; `call_parameters` and
    `init_parameters` are what it and the constructor may require. `names` are bound in the module besides
    `PROVIDED_NAMES`, `attributes` on `self`. `agents` says that steps are calls of `LLMAgentBase` objects
    rather than of operators on `self`, `fenced` that a reply has its code in a fence and no tags.
    `separator` is what stands between an instruction and its input in a prompt; None is a blank line, and
    nothing where either is empty. `sets` are operator sets to prefer, `shim` is the guest module that
    provides what only this format needs, and `notes` gives diagnostics of what is adapted or refused, with
    lines.
    """

    name: str
    title: str
    detects: Callable[[ast.Module], bool] | None = None
    entry: str = "__call__"
    call_parameters: tuple[str, ...] = RUN_INPUTS
    init_parameters: tuple[str, ...] = ("name", "llm_config", "dataset")
    names: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    agents: bool = False
    fenced: bool = False
    separator: str | None = None
    sets: tuple[str, ...] = ()
    shim: str | None = None
    notes: Callable[[ast.Module], list[Diagnostic]] = _nothing


def class_methods(tree: ast.Module, name: str = "Workflow") -> dict[str, Function]:
    """The methods of the last class of this name; empty where there is none."""
    found = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name]
    return {n.name: n for n in found[-1].body if isinstance(n, Function)} if found else {}


def parameter_names(function: Function) -> list[str]:
    """All named parameters in order, with `self`, and without `*args` and `**kwargs`."""
    args = function.args
    return [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
