"""Tests in Python that a model wrote, each as a source of its own with everything it needs. Nothing of it
runs.

A test is a statement that asserts something, which may be a loop, or a function that does. Imports, helpers,
lists of cases and whatever else it uses come with it; solutions that the model wrote beside its tests do not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from engine.guest.syntax import (
    DEFINITIONS,
    IMPORTS,
    allowance,
    bound_names,
    free_names,
    is_stub,
    parsed,
    statements,
)
from engine.operators.solutions import extract_code
from engine.workflows.fixes import IMPORTABLE

MAX_TESTS = 8
_Function = ast.FunctionDef | ast.AsyncFunctionDef
# Calls that print something and change nothing.
_SHOWS = frozenset({"print", "pprint", "display"})


def read_asserts(code: str, entry_point: str | None = None) -> tuple[str, ...]:
    """The sources of the tests in Python text, at most `MAX_TESTS`, each once; () where it does not parse."""
    with allowance():
        tree = parsed(code)
        if tree is None:
            tree = parsed(extract_code(code))
        if tree is None:
            return ()
        tests = _Tests(_flat(tree), entry_point).read()
        return tuple(dict.fromkeys(tests))[:MAX_TESTS]


def reference_in(code: str, entry_point: str | None) -> str | None:
    """The solution that a model wrote beside its tests, without these; None where there is none."""
    tree = parsed(code)
    if tree is None or entry_point is None:
        return None
    kept = [s for s in tree.body if isinstance(s, DEFINITIONS + IMPORTS) and not _is_check(s)]
    solves = any(entry_point in bound_names(s) and not is_stub(s) for s in kept if isinstance(s, DEFINITIONS))
    return "\n\n".join(map(ast.unparse, kept)) if solves else None


def _flat(tree: ast.Module) -> list[ast.stmt]:
    """The module's statements, with those of a main block, and of a `try` that swallows failures."""
    flat: list[ast.stmt] = []
    for statement in tree.body:
        main = isinstance(statement, ast.If) and "__name__" in _names_in(statement.test)
        swallows = isinstance(statement, ast.Try) and any(map(_swallows, statement.handlers))
        flat += (
            statement.body if (main or swallows) and isinstance(statement, ast.If | ast.Try) else [statement]
        )
    return [_Pytest().visit(statement) for statement in flat]


def _names_in(node: ast.AST) -> set[str]:
    """Every name in a piece of a tree."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a failed assertion ends here unnoticed."""
    caught = _names_in(handler.type) if handler.type else {"BaseException"}
    raises = any(isinstance(n, ast.Raise) for n in ast.walk(handler))
    return bool(caught & {"AssertionError", "Exception", "BaseException"}) and not raises


class _Pytest(ast.NodeTransformer):
    """`with pytest.raises(E)` in plain Python: the sandbox has no pytest."""

    def visit_With(self, node: ast.With) -> ast.AST:
        self.generic_visit(node)
        call = node.items[0].context_expr if len(node.items) == 1 else None
        if not isinstance(call, ast.Call) or _dotted(call.func) != "pytest.raises" or len(call.args) != 1:
            return node
        caught = ast.ExceptHandler(call.args[0], None, [ast.Pass()])
        missed = ast.Assert(ast.Constant(False), ast.Constant(f"{ast.unparse(call.args[0])} was not raised"))
        return ast.fix_missing_locations(ast.copy_location(ast.Try(node.body, [caught], [missed], []), node))


def _dotted(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


class _Tests:
    """The statements of a module, and the tests among them."""

    def __init__(self, body: list[ast.stmt], entry_point: str | None) -> None:
        self._body = body
        self._checks = {s.name: s for s in body if isinstance(s, _Function) and _is_check(s)}
        own = self._solutions(entry_point)
        # The model's own solution is left out: it would shadow the one that is tested.
        self._others = [
            s for s in body if not (bound_names(s) & own and isinstance(s, DEFINITIONS + IMPORTS))
        ]
        self._entry = entry_point

    def _solutions(self, entry_point: str | None) -> set[str]:
        if entry_point is not None:
            return {entry_point}
        defined = [s.name for s in self._body if isinstance(s, _Function) and s.name not in self._checks]
        tested = {n for s in self._body if _is_check(s) for n in _names_in(s)}
        defined_names = {n for s in self._body for n in bound_names(s)}
        # Where every name is defined here, the first function is what the others test.
        undefined = free_names("\n".join(ast.unparse(s) for s in self._body if _is_check(s))) - defined_names
        return set() if undefined else set([n for n in defined if n in tested][:1])

    def read(self) -> Iterator[str]:
        """The sources of the tests, in order; where nothing asserts, of the pairs in a list of cases."""
        any_test = False
        called = {n for s in self._others if not isinstance(s, DEFINITIONS) for n in _called(s)}
        for place, statement in enumerate(self._others):
            for test in self._tests_of(statement, called):
                any_test = True
                yield self._with_needs(place, test)
        if not any_test and self._entry is not None:
            yield from self._of_cases(self._entry)

    def _tests_of(self, statement: ast.stmt, called: set[str]) -> Iterator[list[ast.stmt]]:
        """The statements of each test that this statement holds; nothing where it is not a test."""
        if isinstance(statement, _Function):
            if statement.name in self._checks and statement.name not in called:
                yield from _of_function(statement)
        elif isinstance(statement, ast.ClassDef):
            yield from _of_class(statement)
        elif _is_check(statement) or any(name in self._checks for name in _called(statement)):
            yield [statement]
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Compare):
            yield [ast.copy_location(ast.Assert(statement.value), statement)]

    def _with_needs(self, place: int, test: list[ast.stmt]) -> str:
        """The source of a test, preceded by the statements that define or change the names it uses, and by
        those that set things up.
        """
        source = "\n".join(map(ast.unparse, test))
        needed_names = free_names(source)
        kept: list[ast.stmt] = []
        late = [s for s in self._others[place + 1 :] if isinstance(s, DEFINITIONS + IMPORTS)]
        for statement in (*reversed(late), *reversed(self._others[:place])):
            bound = {n for s in (statement, *statements(statement)) for n in bound_names(s) | _changed(s)}
            needed = bool(bound & needed_names) or self._sets_up(statement)
            if statement in test or not needed or (_is_check(statement) and not self._helps(statement)):
                continue
            kept.insert(0, statement)
            needed_names = (needed_names - _replaced(statement)) | free_names(ast.unparse(statement))
        provided = {n for s in kept for n in bound_names(s)}
        modules = sorted(n for n in needed_names - provided if n in IMPORTABLE and n != self._entry)
        return "\n".join([*(f"import {m}" for m in modules), *map(ast.unparse, kept), source])

    def _sets_up(self, statement: ast.stmt) -> bool:
        """Whether a statement is there for its effect, such as `setup()` or writing a file."""
        acts = isinstance(statement, ast.With) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        )
        runs_tests = ast.unparse(statement).endswith("main()")
        return acts and not runs_tests and not _called(statement) & (_SHOWS | self._checks.keys())

    def _helps(self, statement: ast.stmt) -> bool:
        return isinstance(statement, _Function) and statement.name in self._checks

    def _of_cases(self, name: str) -> Iterator[str]:
        """Tests from `cases = [(argument or tuple of arguments, result), …]` that nothing loops over."""
        for statement in self._others:
            value = statement.value if isinstance(statement, ast.Assign | ast.Expr) else None
            if not isinstance(value, ast.List | ast.Tuple):
                continue
            for case in value.elts:
                if isinstance(case, ast.Tuple) and len(case.elts) == 2:
                    arguments, want = map(ast.unparse, case.elts)
                    arguments = f"*{arguments}" if isinstance(case.elts[0], ast.Tuple) else arguments
                    yield f"assert {name}({arguments}) == {want}"


def _is_check(statement: ast.stmt) -> bool:
    """Whether a statement has an assertion that runs with it, or when it is called."""
    return any(isinstance(node, ast.Assert) for node in ast.walk(statement)) and not (
        isinstance(statement, ast.ClassDef) and not statement.name.startswith("Test")
    )


def _called(statement: ast.stmt) -> set[str]:
    return {
        n.func.id for n in ast.walk(statement) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }


def _changed(statement: ast.stmt) -> set[str]:
    """The names whose values a statement may change in place."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = _names_in(statement.value.func) if isinstance(statement.value.func, ast.Name) else set()
        return set() if function & _SHOWS else _names_in(statement.value) - function
    targets = statement.targets if isinstance(statement, ast.Assign | ast.Delete) else []
    return {n for target in targets if not isinstance(target, ast.Name) for n in _names_in(target)}


def _replaced(statement: ast.stmt) -> set[str]:
    """The names that a statement gives a new value, whatever they had before."""
    plain = isinstance(statement, ast.Assign) and all(isinstance(t, ast.Name) for t in statement.targets)
    return bound_names(statement) if plain or isinstance(statement, DEFINITIONS + IMPORTS) else set()


def _of_function(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[list[ast.stmt]]:
    """A function that asserts, followed by a call of it where the judge would not call it."""
    arguments = function.args
    required = len(arguments.posonlyargs + arguments.args) - len(arguments.defaults)
    cases = [d for d in function.decorator_list if isinstance(d, ast.Call)]
    function.decorator_list = []
    if function.name == "check" and required == 1:
        yield [function]
    elif required == 0 and not cases:
        yield [function, *_call(function)]
    elif len(cases) == 1 and _dotted(cases[0].func) == "pytest.mark.parametrize" and len(cases[0].args) == 2:
        names = cases[0].args[0].value if isinstance(cases[0].args[0], ast.Constant) else ()
        several = "," in names if isinstance(names, str) else True
        values = ast.unparse(cases[0].args[1])
        if "pytest." not in values:
            loop = f"for case in {values}:\n    {function.name}({'*' if several else ''}case)"
            # Renamed, because the judge calls functions named like tests without arguments.
            renamed = ast.parse(loop.replace(f"    {function.name}(", f"    run_{function.name}(")).body
            function.name = f"run_{function.name}"
            yield [function, *renamed]


def _call(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    if isinstance(function, ast.AsyncFunctionDef):
        return ast.parse(f"asyncio.run({function.name}())").body
    return [] if function.name.startswith("test_") else ast.parse(f"{function.name}()").body


def _of_class(cls: ast.ClassDef) -> Iterator[list[ast.stmt]]:
    """A unittest class as it is; a class in pytest's style, followed by calls of its methods."""
    methods = [m.name for m in cls.body if isinstance(m, ast.FunctionDef) and m.name.startswith("test")]
    if not methods:
        return
    if any(_dotted(base).endswith("TestCase") for base in cls.bases):
        yield [cls]
    elif not cls.bases and _is_check(cls):
        yield [cls, *ast.parse("\n".join(f"{cls.name}().{name}()" for name in methods)).body]
