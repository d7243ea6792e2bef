"""How a workflow uses what operators return, and other habits that go wrong at run time."""

from __future__ import annotations

import ast
from collections import defaultdict
from difflib import get_close_matches

from engine.diagnostics import Diagnostic, error, warning
from engine.operators.specs import OperatorSpec
from engine.workflows.operators import Operators
from engine.workflows.tree import FunctionNode

Bindings = dict[str, list[OperatorSpec | None]]

# Words that workflows look for in a worker's prose, as if it were a verdict.
_VERDICT_WORDS = (
    "pass",
    "fail",
    "correct",
    "wrong",
    "error",
    "success",
    "valid",
    "yes",
    "no",
    "true",
    "false",
)
_TEXT_TESTS = frozenset({"startswith", "endswith"})
_BANNED_MODULES = frozenset(
    {"subprocess", "socket", "shutil", "ctypes", "multiprocessing", "urllib", "requests"}
)
_BANNED_CALLS = frozenset({"open", "exec", "eval", "compile", "__import__", "input"})


def check_results(tree: ast.Module, operators: Operators) -> list[Diagnostic]:
    """Diagnostics of keys that an operator does not return, and of verdicts read out of prose."""
    found: list[Diagnostic] = []
    for function in ast.walk(tree):
        if not isinstance(function, FunctionNode):
            continue
        bindings = _bindings(function, operators)
        texts = _reply_texts(function, bindings, operators)
        for node in _own_nodes(function):
            if isinstance(node, ast.Subscript | ast.Attribute | ast.Call):
                found += _check_key(node, bindings, operators)
            if _is_verdict(node, texts, bindings, operators):
                message = "a verdict is read from the words of a reply"
                fix = _how_to_judge(operators)
                found.append(warning("string-verdict", message, getattr(node, "lineno", None), fix))
    return found


def _how_to_judge(operators: Operators) -> str:
    test = operators.specs.get("test")
    if test is not None and "result" in test.keys:
        return "Run the tests with self.test and use its result"
    return "Decide by what code computes, such as how often an answer came up"


def _own_nodes(function: FunctionNode) -> list[ast.AST]:
    """Nodes of `function` without those of functions in it, which are visited on their own."""
    inner = {
        n
        for f in ast.walk(function)
        if isinstance(f, FunctionNode) and f is not function
        for n in ast.walk(f)
    }
    return [n for n in ast.walk(function) if n not in inner]


def _bindings(function: FunctionNode, operators: Operators) -> Bindings:
    """For each name the function assigns, the operators its values come from; None is anything else."""
    bindings: Bindings = defaultdict(list)
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            bindings[node.arg].append(None)
        elif (
            isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        ):
            bindings[node.targets[0].id].append(_awaited_operator(node.value, operators))
        elif isinstance(node, ast.NamedExpr):
            bindings[node.target.id].append(_awaited_operator(node.value, operators))
    counted = {name: len(specs) for name, specs in bindings.items()}
    stores: dict[str, int] = defaultdict(int)
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            stores[node.id] += 1
    for name, count in stores.items():  # loop variables, unpacking and the like bind it too
        if count > counted.get(name, 0):
            bindings[name].append(None)
    return bindings


def _awaited_operator(value: ast.expr, operators: Operators) -> OperatorSpec | None:
    return operators.spec(value.value) if isinstance(value, ast.Await) else None


def _sources(value: ast.expr, bindings: Bindings, operators: Operators) -> list[OperatorSpec | None]:
    """The operators whose result `value` may be; empty where nothing is known."""
    if isinstance(value, ast.Await):
        spec = operators.spec(value.value)
        return [spec] if spec else []
    return bindings.get(value.id, []) if isinstance(value, ast.Name) else []


def _check_key(node: ast.expr, bindings: Bindings, operators: Operators) -> list[Diagnostic]:
    """`result['x']`, `result.get('x')` and `result.x` against the keys of the operator's result."""
    match node:
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key)), ctx=ast.Load()):
            code, certain = "result-key", True
        case ast.Call(func=ast.Attribute(value=value, attr="get"), args=[ast.Constant(value=str(key)), *_]):
            code, certain = "result-key", False
        case ast.Attribute(value=value, attr=key, ctx=ast.Load()) if key != "get":
            code, certain = "result-attribute", True
        case _:
            return []
    sources = _sources(value, bindings, operators)
    lacking = [s for s in sources if s is not None and not _has(s, code, key)]
    if not lacking:
        return []
    spec = lacking[0]
    near = get_close_matches(key, spec.keys, 1, 0.5) or list(spec.keys)
    fix = f"Use [{near[0]!r}]" if len(near) == 1 else f"It returns {', '.join(near)}"
    what = "attribute" if code == "result-attribute" else "key"
    message = f"the result of {spec.attribute} has no {what} '{key}'"
    if spec.plain:
        message = f"the result of {spec.attribute} is plain text, without {what} '{key}'"
        fix = "Use it as it is"
    # A missing key may have been meant with .get(), but a text has no such method.
    sure = (certain or spec.plain) and len(lacking) == len(sources)
    return [(error if sure else warning)(code, message, node.lineno, fix)]


def _has(spec: OperatorSpec, code: str, key: str) -> bool:
    """Whether the result of `spec` has this key, or attribute."""
    return hasattr(str if spec.plain else dict, key) if code == "result-attribute" else key in spec.keys


def missing_keys(tree: ast.Module, operators: Operators) -> list[tuple[ast.Subscript, str]]:
    """(node, key) of each `result["key"]` where none of the operators that the result may come from returns
    that key.
    """
    found: list[tuple[ast.Subscript, str]] = []
    for function in ast.walk(tree):
        if not isinstance(function, FunctionNode):
            continue
        bindings = _bindings(function, operators)
        for node in _own_nodes(function):
            match node:
                case ast.Subscript(value=value, slice=ast.Constant(value=str(key)), ctx=ast.Load()):
                    sources = _sources(value, bindings, operators)
                    if sources and all(s is not None and key not in s.keys for s in sources):
                        found.append((node, key))
    return found


def _reply_texts(function: FunctionNode, bindings: Bindings, operators: Operators) -> set[str]:
    """Names that hold text out of an operator's result."""
    names: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and _reads_reply(node.value, names, bindings, operators):
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return names


def _reads_reply(value: ast.expr, texts: set[str], bindings: Bindings, operators: Operators) -> bool:
    """Whether `value` is a worker's prose, perhaps lowered or stripped."""
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr != "get":
        value = value.func.value
    if _all_plain(_sources(value, bindings, operators)):
        return True
    if isinstance(value, ast.Name):
        return value.id in texts
    match value:
        case ast.Subscript(value=inner, slice=ast.Constant(value=str(key))):
            pass
        case ast.Call(func=ast.Attribute(value=inner), args=[ast.Constant(value=str(key)), *_]):
            pass
        case _:
            return False
    specs = [s for s in _sources(inner, bindings, operators) if s is not None]
    return bool(specs) and all(s.keys.get(key) == "str" for s in specs)


def _all_plain(sources: list[OperatorSpec | None]) -> bool:
    return bool(sources) and all(s is not None and s.plain for s in sources)


def _is_verdict(node: ast.AST, texts: set[str], bindings: Bindings, operators: Operators) -> bool:
    match node:
        case ast.Compare(
            left=ast.Constant(value=str(word)), ops=[ast.In() | ast.NotIn()], comparators=[reply]
        ):
            pass
        case ast.Compare(
            left=reply, ops=[ast.Eq() | ast.NotEq()], comparators=[ast.Constant(value=str(word))]
        ):
            pass
        case ast.Call(func=ast.Attribute(value=reply, attr=name), args=[ast.Constant(value=str(word))]) if (
            name in _TEXT_TESTS
        ):
            pass
        case _:
            return False
    words = word.lower().replace("_", " ").split()
    spoken = any(
        w.startswith(v) if len(v) > 2 else w.strip(".,:!") == v for w in words for v in _VERDICT_WORDS
    )
    return spoken and _reads_reply(reply, texts, bindings, operators)


def check_habits(tree: ast.Module) -> list[Diagnostic]:
    """Warnings where a workflow writes to the shared prompts, or uses what the sandbox does not have."""
    found: list[Diagnostic] = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="prompt_custom"), ctx=ast.Store() | ast.Del()):
                message = f"prompt_custom.{node.attr} is overwritten"
                found.append(warning("prompt-mutation", message, node.lineno, "Keep the text in a variable"))
            case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id="prompt_custom"), *_]):
                fix = "Keep the text in a variable"
                found.append(warning("prompt-mutation", "prompt_custom is overwritten", node.lineno, fix))
            case ast.Call(func=ast.Name(id=name)) if name in _BANNED_CALLS:
                found.append(_withheld(f"{name}()", node.lineno))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr=name)) if name in (
                "system",
                "popen",
            ):
                found.append(_withheld(f"os.{name}()", node.lineno))
            case ast.Import():
                roots = {alias.name.split(".")[0] for alias in node.names} & _BANNED_MODULES
                found += [_withheld(root, node.lineno) for root in sorted(roots)]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in _BANNED_MODULES:
                found.append(_withheld(module, node.lineno))
    return found


def _withheld(what: str, line: int) -> Diagnostic:
    fix = "A workflow calls operators; the sandbox has no network and nothing to write to"
    return warning("outside-world", f"{what} reaches outside the workflow", line, fix)
