"""Runs one workflow inside the sandbox; every operator call crosses to the host as a `step`.

The process is fresh, so prompts and attributes that a workflow mutates die with it: nothing leaks
between attempts, repeats or problems.
"""

from __future__ import annotations

import inspect
import linecache
import sys
import traceback
import types
from collections.abc import Coroutine
from typing import Any, Literal

SOURCE_NAME = "<workflow>"
PROMPTS_NAME = "<prompt>"


class Operator:
    """One operator on `self`; calling it sends the call to the host and waits for its result."""

    def __init__(self, host: Any, spec: dict[str, Any]) -> None:
        self._host = host
        self._spec = spec

    def __call__(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        # Not async itself: the calling line is on the stack only until the coroutine is scheduled.
        return self._step(self._bind(args, kwargs), _calling_line())

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        name, names = self._spec["attribute"], self._spec["parameters"]
        if len(args) > len(names):
            raise TypeError(f"{name}() takes {len(names)} arguments but {len(args)} were given")
        bound = dict(zip(names, args, strict=False))
        extra: list[str] = []
        for key, value in kwargs.items():
            if key in bound:
                raise TypeError(f"{name}() got multiple values for argument {key!r}")
            if key in names:
                bound[key] = value
            elif key in self._spec["extras"]:
                extra.append(str(value))
            elif key in self._spec["bound"]:
                raise TypeError(f"{name}() knows {key!r} already; leave it out")
            else:
                takes = ", ".join(names) or "none"
                raise TypeError(f"{name}() got an unexpected keyword argument {key!r}; it takes {takes}")
        missing = [n for n in self._spec["required"] if n not in bound]
        if missing:
            raise TypeError(f"{name}() is missing the argument {missing[0]!r}")
        if extra:
            bound["extra"] = "\n\n".join(extra)
        return bound

    async def _step(self, kwargs: dict[str, Any], line: int | None) -> Any:
        return await self._host.call("step", operator=self._spec["attribute"], kwargs=kwargs, line=line)


class Llm:
    """Stands in for AFlow's model handle. The host keeps the ledger, so the costs it reports are zero."""

    total_cost = 0.0

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        self.cost_manager = self

    def get_usage_summary(self) -> dict[str, float]:
        return {"total_cost": self.total_cost}


class OperatorModule:
    """Stands in for AFlow's `operator` module: `operator.Custom(self.llm)` gives the host's Custom."""

    def __init__(self, operators: dict[str, Operator]) -> None:
        self._by_class = operators

    def __getattr__(self, name: str) -> Any:
        if name not in self._by_class:
            raise AttributeError(
                f"operator.{name} does not exist; there are {', '.join(sorted(self._by_class))}"
            )
        return lambda *_args, **_kwargs: self._by_class[name]


async def main(host: Any, args: dict[str, Any]) -> dict[str, Any]:
    """`args`: code, prompts, operators (`OperatorSpec.to_guest`), inputs by parameter name.

    Returns {"value": …} or {"error": message, "line": number or None}.
    """
    try:
        workflow = _build(host, args)
        value = await _call(workflow, args["inputs"])
    except Exception as error:  # the workflow is generated code: whatever it raises is its result
        return {"error": _describe(error), "line": _failing_line(error)}
    return {"value": value[0] if isinstance(value, tuple) and value else value}


def _build(host: Any, args: dict[str, Any]) -> Any:
    prompts = types.ModuleType("prompt_custom")
    _run_source(args["prompts"], PROMPTS_NAME, prompts.__dict__)
    operators = {spec["attribute"]: Operator(host, spec) for spec in args["operators"]}
    by_class = {spec["name"]: operators[spec["attribute"]] for spec in args["operators"]}
    namespace: dict[str, Any] = {
        "__name__": "workflow",
        "prompt_custom": prompts,
        "operator": OperatorModule(by_class),
        "create_llm_instance": Llm,
        "CostManager": Llm,
        "DatasetType": str,
        "Literal": Literal,
    }
    _run_source(args["code"], SOURCE_NAME, namespace)
    cls = namespace.get("Workflow")
    if not isinstance(cls, type):
        raise TypeError("the source defines no class Workflow")
    workflow: Any = object.__new__(cls)
    provided = {**operators, "llm": Llm(), "name": "workflow", "dataset": None}
    for attribute, value in provided.items():
        setattr(workflow, attribute, value)
    if cls.__init__ is not object.__init__:
        known = {"name": "workflow", "llm_config": None, "dataset": None, "config": None, "llm": Llm()}
        workflow.__init__(**_by_name(workflow.__init__, known | args["inputs"]))
    return workflow


def _run_source(source: str, name: str, namespace: dict[str, Any]) -> None:
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), namespace)


async def _call(workflow: Any, inputs: dict[str, Any]) -> Any:
    result = workflow(**_by_name(workflow.__call__, inputs))
    return await result if inspect.isawaitable(result) else result


def _by_name(function: Any, available: dict[str, Any]) -> dict[str, Any]:
    """Arguments by parameter name: figure-style and AFlow-style signatures differ in order."""
    chosen: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in available:
            chosen[parameter.name] = available[parameter.name]
        elif parameter.default is parameter.empty:
            raise TypeError(
                f"parameter {parameter.name!r} is unknown; a workflow is given {', '.join(available)}"
            )
    return chosen


def _calling_line() -> int | None:
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename == SOURCE_NAME:
            return frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _failing_line(error: BaseException) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == SOURCE_NAME:
        return error.lineno
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == SOURCE_NAME]
    return lines[-1] if lines else None


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
