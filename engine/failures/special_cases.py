"""Answers that recognise the visible tests' inputs, found by reading them; nothing is executed.

A special case is a branch (or a table) that the literal input of a visible test leads to, and that returns
the literal output which that test expects. Not counted is what every programmer writes: base cases (`n == 0`,
an empty list), and tables with entries for inputs that no visible test has.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from engine.source import parse

# Numbers up to this are base cases: fib(1), is_prime(2).
BASE_CASE = 3
_MAX_CASES = 5
_UNKNOWN = object()
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class SpecialCase(NamedTuple):
    """A place in an answer: `line` counts from 1, `source` is that line, `input` the visible test's input."""

    line: int
    input: str
    source: str


class Example(NamedTuple):
    """A visible test: the reprs of its literal arguments and of the value it expects, None where that is not
    a literal.
    """

    args: tuple[str, ...]
    expected: str | None


def special_cases(code: str, entry_point: str | None, tests: Sequence[str]) -> list[SpecialCase]:
    """The first special cases, at most five, in an answer whose function `entry_point` is tested by `tests`;
    [] where the answer does not parse.
    """
    tree = parse(code, what="answer").tree
    examples = [example for test in tests for example in _examples(test, entry_point)]
    if tree is None or not examples or entry_point is None:
        return []
    cases: list[SpecialCase] = []
    lines = code.split("\n")
    for function in ast.walk(tree):
        if isinstance(function, FunctionNode) and function.name == entry_point:
            for line, example in (*_branches(function, examples), *_tables(tree, examples)):
                cases.append(SpecialCase(line, ", ".join(example.args), lines[line - 1].strip()))
    return sorted(set(cases))[:_MAX_CASES]


# -- what the visible tests say ------------------------------------------------------------------------


def _examples(test: str, entry_point: str | None) -> Iterator[Example]:
    tree = parse(test, what="test").tree
    if tree is None:
        return
    expected_by_call: dict[ast.AST, str] = {}
    for node in ast.walk(tree):
        for call, expected in _comparisons(node):
            expected_by_call[call] = repr(expected)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.keywords:
            continue
        args = [_literal(arg) for arg in node.args]
        if node.func.id in (entry_point, "candidate") and args and _UNKNOWN not in args:
            yield Example(tuple(map(repr, args)), expected_by_call.get(node))


def _comparisons(node: ast.AST) -> Iterator[tuple[ast.AST, Any]]:
    """Expressions with the literal that a test compares them with."""
    match node:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            pairs = [(left, right), (right, left)]
        case ast.Call(func=ast.Attribute(attr="assertEqual"), args=[left, right, *_]):
            pairs = [(left, right), (right, left)]
        case ast.Assert(test=ast.UnaryOp(op=ast.Not(), operand=ast.Call() as call)):
            yield call, False
            return
        case ast.Assert(test=ast.Call() as call):
            yield call, True
            return
        case _:
            return
    for one, other in pairs:
        value = _literal(other)
        if value is not _UNKNOWN:
            yield one, value


# -- what the answer does ------------------------------------------------------------------------------


def _branches(function: FunctionNode, examples: Sequence[Example]) -> Iterator[tuple[int, Example]]:
    """(line, example) of branches of `function` that an example leads to and that return what it expects."""
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    if names[:1] == ["self"]:
        names = names[1:]
    for node in ast.walk(function):
        match node:
            case ast.If(test=test, body=[ast.Return(value=ast.expr() as value), *_]):
                pass
            case ast.IfExp(test=test, body=value):
                pass
            case ast.Match(subject=ast.Name(id=subject), cases=cases):
                yield from _matched(subject, cases, names, examples)
                continue
            case _:
                continue
        literal = _literal(value)
        for example in examples:
            if literal is not _UNKNOWN and _wants(example, literal) and _leads(test, names, example):
                yield node.lineno, example


def _matched(
    subject: str, cases: list[ast.match_case], names: list[str], examples: Sequence[Example]
) -> Iterator[tuple[int, Example]]:
    for case in cases:
        match case:
            case ast.match_case(
                pattern=ast.MatchValue(value=key), body=[ast.Return(value=ast.expr() as value)]
            ):
                test = ast.Compare(ast.Name(subject), [ast.Eq()], [key])
            case _:
                continue
        literal = _literal(value)
        for example in examples:
            if literal is not _UNKNOWN and _wants(example, literal) and _leads(test, names, example):
                yield case.pattern.lineno, example


def _leads(test: ast.expr, names: list[str], example: Example) -> bool:
    """Whether `test` holds for the arguments of `example`, and these are not a base case."""
    allowed: dict[str, list[Any]] = {}
    parts = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
    for part in parts:
        for name, values in _allowed(part):
            allowed.setdefault(name, []).extend(values)
    arguments = dict(zip(names, example.args, strict=False))
    if not allowed or any(arguments.get(name) not in {repr(v) for v in vs} for name, vs in allowed.items()):
        return False
    return any(not _is_base_case(v) for name, vs in allowed.items() for v in vs if repr(v) == arguments[name])


def _allowed(part: ast.expr) -> Iterator[tuple[str, list[Any]]]:
    """Names with the literals that a comparison allows: `x == 5`, `x in (5, 7)`, `(x, y) == (5, 7)`."""
    match part:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            for one, other in ((left, right), (right, left)):
                value = _literal(other)
                if isinstance(one, ast.Name) and value is not _UNKNOWN:
                    yield one.id, [value]
                elif isinstance(one, ast.Tuple) and isinstance(value, tuple) and len(value) == len(one.elts):
                    for element, item in zip(one.elts, value, strict=True):
                        if isinstance(element, ast.Name):
                            yield element.id, [item]
        case ast.Compare(left=ast.Name(id=name), ops=[ast.In()], comparators=[right]):
            value = _literal(right)
            if isinstance(value, list | tuple | set | frozenset):
                yield name, list(value)
        case _:
            return


def _tables(tree: ast.Module, examples: Sequence[Example]) -> Iterator[tuple[int, Example]]:
    """(line, first example) of dictionaries that hold only visible inputs and the outputs expected for
    them.
    """
    by_key = {e.args[0] if len(e.args) == 1 else f"({', '.join(e.args)})": e for e in examples}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Dict) or not node.keys or None in node.keys:
            continue
        pairs = [(_literal(k), _literal(v)) for k, v in zip(node.keys, node.values, strict=True) if k]
        hits = [
            by_key[repr(k)]
            for k, v in pairs
            if k is not _UNKNOWN and v is not _UNKNOWN and repr(k) in by_key and _wants(by_key[repr(k)], v)
        ]
        if len(hits) == len(pairs) and any(not _is_base_case(k) for k, _ in pairs):
            yield node.lineno, hits[0]


def _wants(example: Example, value: Any) -> bool:
    """Whether the test expects `value`; a test without a literal may expect anything."""
    return example.expected is None or example.expected == repr(value)


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _UNKNOWN


def _is_base_case(value: Any) -> bool:
    if isinstance(value, str | bytes):
        return len(value) <= 1
    if isinstance(value, list | tuple | set | frozenset | dict):
        return len(value) == 0 or (len(value) == 1 and all(_is_base_case(v) for v in value))
    return value is None or (isinstance(value, int | float) and abs(value) <= BASE_CASE)
