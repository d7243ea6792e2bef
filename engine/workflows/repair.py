"""The repairs that are allowed, each of them recorded; everything else goes back to the workflow's author.

A valid workflow comes back byte for byte, and repairing twice changes nothing more.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.diagnostics import Diagnostic, Repair
from engine.operators.specs import OperatorSet
from engine.source import parse
from engine.workflows.fixes import add_awaits, add_imports, bind_entry_point, move_extras
from engine.workflows.headers import merge_headers, without_outer
from engine.workflows.structure import nested_call
from engine.workflows.transcript import steps
from engine.workflows.tree import call_method

Fix = Callable[[str, ast.Module, OperatorSet], tuple[str, list[Repair]]]

_LOST_VALUE = re.compile(r"[ \t]*([A-Za-z_][\w .]{0,80}?)[ \t]*=[ \t]*(?:#.*)?")
_LOST_ARGUMENT = re.compile(r"(?:[(,]|^)[ \t]*([A-Za-z_]\w{0,80})[ \t]*=[ \t]*[,)]")
# Repairs that only text of a page needs.
_OF_A_PAGE = ("margin-numbers", "latex-escape", "typography", "page-text")
# Awaits come before extras: both edit calls, and each starts from text that parses.
_FIXES: tuple[Fix, ...] = (add_awaits, move_extras, bind_entry_point, add_imports)


@dataclass(frozen=True)
class RepairResult:
    """The repaired text and what was repaired; `shift` is how many lines were added at the top of the code.

    `left` is what keeps pasted code from being read when all that a page does to it is undone.
    """

    code: str
    prompts: str
    repairs: tuple[Repair, ...]
    shift: int = 0
    left: Diagnostic | None = None


def repair(code: str, prompts: str, operator_set: OperatorSet) -> RepairResult:
    """Make every repair that applies. Code that cannot be made to parse comes back as it was, without
    repairs.
    """
    fixed, repairs, left = _readable(code, operator_set)
    tree = parse(fixed).tree
    if tree is None:
        return RepairResult(code, prompts, (), left=left)
    call = call_method(tree)
    inner = nested_call(call) if call is not None else None
    if call is not None and inner is not None:
        text = without_outer(fixed, call.lineno, inner.lineno)
        if parse(text).tree is not None:
            fixed = text
            repairs.append(_unwrapped(call.lineno))
    shift = 0
    for fix in _FIXES:
        tree = parse(fixed).tree
        assert tree is not None  # every fix leaves text that parses
        text, changes = fix(fixed, tree, operator_set)
        if changes and parse(text).tree is not None:
            shift += text.count("\n") - fixed.count("\n") if fix is add_imports else 0
            fixed = text
            repairs += changes
    return RepairResult(fixed, prompts, tuple(repairs), shift)


def _readable(code: str, operator_set: OperatorSet) -> tuple[str, list[Repair], Diagnostic | None]:
    """The code and the text-level repairs that make it parse; else as it was, with what is left of a page's
    text.
    """
    failure = parse(code)
    if failure.tree is not None or failure.problem is None or failure.problem.code != "graph-syntax":
        return code, [], None
    text, repairs = code, []
    for name, message, step in (("", "", lambda t: t), *steps([o.attribute for o in operator_set.operators])):
        changed = step(text)
        if changed != text:
            repairs.append(Repair(name, message, _first_difference(text, changed)))
            text = changed
        if parse(text).tree is not None:
            return text, repairs, None
        if (merged := merge_headers(text)) and parse(merged[0]).tree is not None:
            return merged[0], [*repairs, _unwrapped(merged[1])], None
    pasted = any(r.code in _OF_A_PAGE for r in repairs)
    return code, [], _left(text, pasted=pasted)


def _left(text: str, *, pasted: bool) -> Diagnostic | None:
    """The first thing wrong with a text, in words where a page lost a value; nothing else where it is not
    `pasted`, as it was changed then.
    """
    problem = parse(text).problem
    if problem is None or problem.line is None:
        return problem if pasted else None
    lines = text.split("\n")[: problem.line]
    before = [n for n, line in enumerate(lines[:-1]) if line.strip()][-1:]
    for number in (len(lines) - 1, *before):
        lost = _LOST_VALUE.fullmatch(lines[number]) or _LOST_ARGUMENT.search(lines[number])
        if lost is not None:
            break
    else:
        return problem if pasted else None
    message = f"the value of {lost[1].strip()} is lost: nothing stands after the ="
    return replace(problem, line=number + 1, message=message, fix="Write the value that the page has there")


def _unwrapped(line: int) -> Repair:
    return Repair("nested-call", "removed the outer of two __call__ headers", line)


def _first_difference(old: str, new: str) -> int:
    pairs = zip(old.split("\n"), new.split("\n"), strict=False)
    return next((i for i, (a, b) in enumerate(pairs, 1) if a != b), 1)
