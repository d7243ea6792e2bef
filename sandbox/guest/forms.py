"""What the text of a test says about how it can be judged. Only tests are looked at, never a solution."""

from __future__ import annotations

import ast
import builtins
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from . import attributes

_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "__builtins__"}
_RAISING = ("raises", "assertRaises", "assertRaisesRegex")
_ERRORS = ("Error", "Exception", "Warning", "Exit", "Interrupt")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What one process has and two have not: tests that use it watch, or change, the solution's own process.
_PROCESS_NAMES = _words("""
    open input capsys capfd capsysbinary capfdbinary caplog monkeypatch recwarn mocker tmp_path tmpdir
    redirect_stdout redirect_stderr getcontext setcontext localcontext assertLogs assertNoLogs assertWarns
    assertWarnsRegex warns deprecated_call create_task ensure_future gather TaskGroup wait_for as_completed
""")
_PROCESS_MODULES = _words("""
    atexit builtins concurrent contextvars ctypes fileinput freezegun gc glob importlib inspect io locale
    logging mock multiprocessing resource select selectors shutil signal socket sqlite3 subprocess tempfile
    threading tracemalloc unittest.mock warnings weakref
""")
_PROCESS_ATTRIBUTES = {
    "sys": _words(
        "stdin stdout stderr __stdin__ __stdout__ argv path modules setrecursionlimit getrefcount settrace"
    ),
    "asyncio": _words("Queue Lock Event Condition Semaphore wait timeout"),
}
_FILE_METHODS = _words(
    "read_text write_text read_bytes write_bytes exists is_file is_dir mkdir unlink iterdir"
)


class Form(NamedTuple):
    """The strongest mode the tests' text allows for, why it is not "split", the names of the solution's
    that they use beside the entry point, and all names and attributes in them."""

    mode: str
    why: str
    names: tuple[str, ...]
    words: set[str]


def look(tests: Iterable[ast.Module], known: dict[str, Any], entry_point: str | None) -> Form:
    """What `tests` ask for. `known`: the names that they find defined, those of the problem's prelude."""
    seen = _Seen(entry_point)
    for tree in tests:
        for node in nodes(tree):
            seen.add(node)
    names = sorted(seen.missing(known))
    why = seen.process or seen.own_class(known)
    if why:
        return Form("in-process", why, tuple(names), seen.words)
    classes = (name for name in names if _is_class_name(name) and name not in seen.raised)
    why = seen.objects or next((f"the class {name}" for name in classes), "")
    if not why and seen.instances and entry_point and _is_class_name(entry_point):
        why = f"an instance of {entry_point}"
    return Form("objects" if why else "split", why, tuple(names), seen.words)


def _is_class_name(name: str) -> bool:
    """As classes are named; exceptions cross in any mode, and constants are data."""
    constant = len(name) > 1 and name.isupper()
    return name[:1].isupper() and "_" not in name and not constant and not name.endswith(_ERRORS)


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node below `tree`; as `ast.walk`, at a third of its cost."""
    left: list[Any] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, list):
            left += node
        elif isinstance(node, ast.AST):
            yield node
            left += [getattr(node, field, None) for field in node._fields]


class _Seen:
    """What was found so far (scopes are not told apart: enough for tests)."""

    def __init__(self, entry_point: str | None) -> None:
        self.entry_point = entry_point
        self.process = ""
        self.objects = ""
        self.instances = False  # whether what the entry point gives is used as no value is
        self.words: set[str] = set()  # names and attributes
        self._used: set[str] = set()
        self._bound: set[str] = set()
        self._modules: set[str] = set()  # names bound by imports
        self._of_solution: set[str] = set()
        self._caught: set[str] = set()  # names of exceptions
        self.raised: set[str] = set()  # names of classes of exceptions
        self._classes: set[str] = set()
        self._made: set[str] = set()  # names of what the entry point gave
        self._assigned: list[tuple[set[str], str]] = []  # names of what came of a call, and where it began
        self._attributes: list[ast.Attribute] = []

    def add(self, node: ast.AST) -> None:
        """Note what `node` shows."""
        handler = _HANDLERS.get(type(node))  # not a chain of isinstance: each would touch another page
        if handler is not None:
            handler(self, node)

    def name(self, node: ast.Name) -> None:
        """A name that is read or bound."""
        (self._used if type(node.ctx) is ast.Load else self._bound).add(node.id)
        self._word(node.id)

    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A function."""
        self._bound.add(node.name)

    def argument(self, node: ast.arg) -> None:
        """A parameter; pytest's fixtures are asked for by such names."""
        self._bound.add(node.arg)
        self._word(node.arg)

    def capture(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar) -> None:
        """A name bound by a pattern, or to an exception."""
        if node.name:
            self._bound.add(node.name)
            if isinstance(node, ast.ExceptHandler):
                self._caught.add(node.name)
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            self.raised |= _names(node.type)

    def block(self, node: ast.withitem) -> None:
        """The context of a `with`."""
        if self._calls_solution(node.context_expr):
            self.objects = self.objects or "a context manager of the solution's"

    def call(self, node: ast.Call) -> None:
        """A call."""
        if _name(node.func) in ("setattr", "delattr") and node.args:
            self._change(node.args[0])
        self.instances = self.instances or (self._calls_solution(node) and not node.args)
        if _last(node.func) in _RAISING and node.args:
            self.raised |= _names(node.args[0])

    def comparison(self, node: ast.Compare) -> None:
        """A comparison; with another of the solution's own, it is of objects."""
        compared = [inner for part in node.comparators for inner in nodes(part)]
        self.instances = self.instances or any(self._calls_solution(inner) for inner in compared)

    def _word(self, word: str) -> None:
        self.words.add(word)
        if word in _PROCESS_NAMES:
            self.process = self.process or f"the tests use {word}"

    def assignment(self, node: ast.Assign) -> None:
        """Note what a name is of: what the entry point gave, or a module."""
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        if self._calls_solution(node.value):
            self._made |= names
        elif isinstance(node.value, ast.Call):
            self._assigned.append((names, _root(node.value)))

    def imported(self, node: ast.Import | ast.ImportFrom) -> None:
        """An import."""
        of = getattr(node, "module", None)
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            self._bound.add(bound)
            self._modules.add(bound)
            if of == "solution":
                self._of_solution.add(alias.name)
                self._modules.discard(bound)
                continue
            path = f"{of}.{alias.name}" if of else alias.name
            if path == "solution":
                continue
            top = path.partition(".")[0]
            if alias.name in _PROCESS_NAMES or (
                of in _PROCESS_ATTRIBUTES and alias.name in _PROCESS_ATTRIBUTES[of]
            ):
                self.process = self.process or f"the tests use {alias.name}"
            elif path.startswith("os.path") or path == "importlib.metadata" or path == "os":
                continue
            elif {top, of, path} & _PROCESS_MODULES:
                self.process = self.process or f"the tests use {path}"
            elif top not in sys.stdlib_module_names and top != "pytest":
                self.process = self.process or f"the tests use {top}, whose values cannot cross"
            elif top == "dataclasses":
                self.objects = self.objects or "the tests use dataclasses"

    def attribute(self, node: ast.Attribute) -> None:
        """An attribute, read or set."""
        self._word(node.attr)
        base = _name(node.value)
        if base == "os" and node.attr != "path":
            self.process = self.process or f"the tests use os.{node.attr}"
        elif node.attr in _PROCESS_ATTRIBUTES.get(base, ()) or node.attr in _FILE_METHODS:
            self.process = self.process or f"the tests use {node.attr}"
        elif base == "solution":
            self._of_solution.add(node.attr)
        if not isinstance(node.ctx, ast.Load):
            self._change(node.value)
        self._attributes.append(node)

    def _change(self, target: ast.expr) -> None:
        """An attribute of `target` is set: where that is a module, the solution's process has its own."""
        if _name(target) in self._modules or _name(target) in sys.stdlib_module_names:
            self.process = self.process or f"the tests change the module {_name(target)}"

    def class_(self, node: ast.ClassDef) -> None:
        """A class of the tests' own."""
        self._bound.add(node.name)
        bases = [_last(base) for base in node.bases]
        if not node.name.startswith("Test") and not any(
            base.endswith(("TestCase", *_ERRORS)) for base in bases
        ):
            self._classes.add(node.name)

    def _calls_solution(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == self.entry_point
        )

    def missing(self, known: dict[str, Any]) -> set[str]:
        """Names that only the solution can define."""
        defined = (self._bound, known, _BUILTINS, ("check",))
        own = {name for name in self._used if not any(name in names for names in defined)}
        self._look_at_attributes(known)
        return (own | self._of_solution) - {self.entry_point or ""}

    def own_class(self, known: dict[str, Any]) -> str:
        """Why objects of the tests' own would have to cross; "" where none would."""
        for name in sorted(self._classes):
            if name in self._used:
                return f"the tests make objects of their own class {name}"
        for name in sorted(name for name in self._used if name in known):
            value = known[name]
            own = isinstance(value, type) and value.__module__ == "tests"
            if own and not issubclass(value, BaseException) and name != self.entry_point:
                return f"the tests make objects of the class {name}"
        return ""

    def _look_at_attributes(self, known: dict[str, Any]) -> None:
        for names, root in self._assigned:  # `rng = random.Random(1)`: what a module gave is taken for it
            if root in self._modules:
                self._modules |= names
        for node in self._attributes:
            name = _root(node)
            if isinstance(known.get(name), types.ModuleType):
                continue
            if name == self.entry_point or name in self._made:
                self.instances = True
            if (
                name in self._modules
                or name in self._caught
                or name in ("self", "cls", "request")
                or _is_error(node.value)
            ):
                continue
            if node.attr not in attributes.plain_attributes():
                self.objects = self.objects or f"the attribute {node.attr}"


def _is_error(node: ast.expr) -> bool:
    """`raised.value` and `raised.exception`, as pytest and unittest hold what was raised."""
    return isinstance(node, ast.Attribute) and node.attr in ("value", "exception")


def _root(node: ast.expr) -> str:
    """The name that a chain of attributes, calls and items begins with."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return _name(node)


def _names(node: ast.expr) -> set[str]:
    return {inner.id for inner in nodes(node) if isinstance(inner, ast.Name)}


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else _name(node)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


_HANDLERS: dict[type, Callable[[_Seen, Any], None]] = {
    ast.Name: _Seen.name,
    ast.Attribute: _Seen.attribute,
    ast.FunctionDef: _Seen.definition,
    ast.AsyncFunctionDef: _Seen.definition,
    ast.ClassDef: _Seen.class_,
    ast.arg: _Seen.argument,
    ast.Import: _Seen.imported,
    ast.ImportFrom: _Seen.imported,
    ast.ExceptHandler: _Seen.capture,
    ast.MatchAs: _Seen.capture,
    ast.MatchStar: _Seen.capture,
    ast.withitem: _Seen.block,
    ast.Call: _Seen.call,
    ast.Assign: _Seen.assignment,
    ast.Compare: _Seen.comparison,
}
