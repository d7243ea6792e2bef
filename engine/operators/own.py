"""Users' own operator sets: a TOML file that describes them, and one Python file with their code.

The Python file is guest code. Here it is parsed for its functions' signatures and never imported; its
text travels with each step to the sandbox, where it may use the standard library and the guest modules
`engine.operators.*`.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engine.operators.metaflow_sets import renamed
from engine.operators.sets import SETS
from engine.operators.specs import RUN_INPUTS, OperatorSet, OperatorSpec, Parameter
from engine.source import parse
from sandbox.errors import UsageError

MAX_BYTES = 256 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# What the runner itself puts on a workflow.
_TAKEN = frozenset({"llm", "name", "dataset"})
Function = ast.AsyncFunctionDef


class OperatorSetError(UsageError):
    """An operator set that does not exist or whose files cannot be used; the message says where and what
    to do.
    """


class _Operator(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    attribute: str
    name: str = ""
    description: str = ""
    returns: str | dict[str, str]
    bound: list[str] = []


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = ""
    description: str = ""
    module: str = ""
    include: list[str] = []
    operator: list[_Operator] = Field(default=[], max_length=100)


def load_set(name: str) -> OperatorSet:
    """The built-in set called `name`, or the user's own set that the file `name` (`….toml`) describes.
    `NAME~SEED` is the set NAME with other names for its operators, drawn by this seed.

    Raises:
        OperatorSetError: there is no such set, or its files cannot be used.
        NotRenamableError: a seed is given, and the set's operators have no other names.
    """
    if name in SETS:
        return SETS[name]
    base, tilde, seed = name.partition("~")
    if tilde and base in SETS and seed.isascii() and seed.isdecimal() and len(seed) < 10:
        return renamed(SETS[base], int(seed))
    if name.endswith(".toml"):
        return read_set(Path(name))
    near = get_close_matches(name, SETS, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SETS)}, or give a FILE.toml"
    raise OperatorSetError(f"there is no operator set {name!r}; {hint}")


def recorded_set(config: Mapping[str, Any]) -> OperatorSet:
    """The set of a recorded run, from `RunConfig.to_json()`. A user's own set is read from the record, since
    its files may have changed.

    Raises:
        OperatorSetError: this version has no such set, or the record is damaged.
    """
    if "operator_set" not in config:
        return load_set(str(config.get("operators", "paper")))
    data = config["operator_set"]
    try:
        sources = TypeAdapter(dict[str, str]).validate_python(data["sources"])
        operators = TypeAdapter(tuple[OperatorSpec, ...]).validate_python(data["operators"])
        name, description = str(data["name"]), str(data["description"])
    except (ValidationError, KeyError, TypeError):
        raise OperatorSetError("the run's record of its operator set is damaged") from None
    specs = tuple(replace(o, source=sources.get(o.module)) for o in operators)
    return OperatorSet(name, specs, description, own=True)


def read_set(path: Path) -> OperatorSet:
    """The set that a TOML file describes; the file with its code is parsed and never run. Raises
    OperatorSetError where one of them cannot be read, or does not describe operators that a workflow can
    call.
    """
    file = _described(path)
    name = file.name or path.stem
    if name in SETS or not _NAME.fullmatch(name):
        why = "is a built-in set's" if name in SETS else "must be letters, digits, dots and dashes"
        raise OperatorSetError(f'{path}: the set\'s name {name!r} {why}; write another as name = "…"')
    operators = [o for reference in file.include for o in _included(reference, path)]
    if file.operator:
        module = path.parent / (file.module or f"{path.stem}.py")
        if module.parent != path.parent:
            raise OperatorSetError(f"{path}: module is {file.module!r}; name a file in the same folder")
        source = _text(module)
        functions = _functions(source, module)
        operators += [_spec(o, functions, source, path, module) for o in file.operator]
    _check_names(operators, path)
    return OperatorSet(name, tuple(operators), file.description, own=True)


def _described(path: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(_text(path)))
    except tomllib.TOMLDecodeError as error:
        raise OperatorSetError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise OperatorSetError(f"{path}: nested too deeply to be an operator set") from None
    except ValidationError as error:
        raise OperatorSetError(f"{path}: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    """`operator 2, returns: field required`."""
    first = error.errors()[0]
    places = [f" {part + 1}" if isinstance(part, int) else f", {part}" for part in first["loc"]]
    place = "".join(places).removeprefix(", ")
    if first["type"] == "extra_forbidden":
        keys = ", ".join((_Operator if place.startswith("operator ") else _File).model_fields)
        return f"{place}: there is no such key; there are {keys}"
    return f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}"


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise OperatorSetError(f"{path}: there is no such file")
        if path.stat().st_size > MAX_BYTES:
            raise OperatorSetError(f"{path}: larger than {MAX_BYTES // 1024} KiB; an operator set is smaller")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise OperatorSetError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except (OSError, ValueError) as error:
        if isinstance(error, OperatorSetError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise OperatorSetError(f"{path}: cannot be read ({reason}); give a readable file") from None


def _included(reference: str, path: Path) -> tuple[OperatorSpec, ...]:
    """`aflow-code`, or `paper.review` for one operator of it."""
    name, dot, attribute = reference.partition(".")
    operator_set = SETS.get(name)
    if operator_set is None:
        raise OperatorSetError(f"{path}: include: no set {name!r}; there are {', '.join(SETS)}")
    if not dot:
        return operator_set.operators
    spec = operator_set.get(attribute)
    if spec is None:
        attributes = ", ".join(o.attribute for o in operator_set.operators)
        raise OperatorSetError(f"{path}: include: {name} has no operator {attribute!r}; it has {attributes}")
    return (spec,)


def _functions(source: str, module: Path) -> dict[str, Function]:
    """The module's own async functions, by name. Nothing of it runs."""
    parsed = parse(source, what="module")
    if parsed.tree is None:
        problem = parsed.problem
        where = f"{module}:{problem.line}" if problem and problem.line else str(module)
        raise OperatorSetError(f"{where}: {problem.message if problem else 'it cannot be read'}")
    return {node.name: node for node in parsed.tree.body if isinstance(node, Function)}


def _spec(
    described: _Operator, functions: dict[str, Function], source: str, path: Path, module: Path
) -> OperatorSpec:
    attribute = described.attribute
    function = functions.get(attribute)
    if function is None:
        names = ", ".join(functions) or "none"
        raise OperatorSetError(f"{module}: no `async def {attribute}` for the operator; there are: {names}")
    if described.returns != "str" and (isinstance(described.returns, str) or not described.returns):
        raise OperatorSetError(
            f'{path}: operator {attribute}: returns must be "str" or a table of keys and types'
        )
    parameters = _parameters(function, f"{module}:{function.lineno}")
    for name in described.bound:
        if name not in RUN_INPUTS or all(p.name != name for p in parameters):
            why = "its function does not take that" if name in RUN_INPUTS else "a run does not give that"
            allowed = ", ".join(RUN_INPUTS)
            raise OperatorSetError(f"{path}: operator {attribute}: bound names {name!r}; {why} ({allowed})")
    docstring = ast.get_docstring(function) or ""
    description = described.description or docstring.strip().partition("\n")[0]
    if not description.strip():
        raise OperatorSetError(f"{path}: operator {attribute} has no description, which models choose it by")
    return OperatorSpec(
        described.name or "".join(part.capitalize() for part in attribute.split("_")),
        attribute,
        " ".join(description.split()),
        tuple(p for p in parameters if p.name not in described.bound),
        described.returns,
        module.name,
        function=attribute,
        bound=tuple(described.bound),
        source=source,
    )


def _parameters(function: Function, where: str) -> list[Parameter]:
    """Everything after the first parameter, which is the host."""
    arguments = function.args
    if arguments.vararg or arguments.kwarg:
        raise OperatorSetError(f"{where}: {function.name} takes * or ** arguments; name each parameter")
    positional = [*arguments.posonlyargs, *arguments.args]
    if not positional or len(arguments.posonlyargs) > 1:
        raise OperatorSetError(f"{where}: write `async def {function.name}(host, *, …)`")
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(positional, defaults, strict=True)][1:]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [_parameter(argument, default, where) for argument, default in pairs]


def _parameter(argument: ast.arg, default: ast.expr | None, where: str) -> Parameter:
    kind = ast.unparse(argument.annotation) if argument.annotation else "Any"
    if default is None:
        return Parameter(argument.arg, kind)
    try:
        value = ast.literal_eval(default)
        json.dumps(value, allow_nan=False)  # it is recorded
        return Parameter(argument.arg, kind, value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        text = f"the default of {argument.arg!r} is not a plain value; write a literal such as None"
        raise OperatorSetError(f"{where}: {text}") from None


def _check_names(operators: list[OperatorSpec], path: Path) -> None:
    """Raises OperatorSetError unless the names are ones that a workflow can use, each used once."""
    if not operators:
        raise OperatorSetError(f"{path}: the set is empty; write [[operator]] tables, or include = […]")
    seen: set[str] = set()
    for spec in operators:
        for name in (spec.attribute, spec.name):
            if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_") or name in _TAKEN:
                raise OperatorSetError(f"{path}: an operator cannot be called {name!r}; choose another name")
        for name in dict.fromkeys((spec.name, spec.attribute)):
            if name in seen:
                raise OperatorSetError(f"{path}: two operators are called {name!r}; name them apart")
            seen.add(name)
