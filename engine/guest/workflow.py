"""Runs one workflow inside the sandbox; every operator call goes to the host as a `step`.

Each execution has a fresh process, so prompts and attributes that a workflow changes do not leak into other
attempts, repeats or problems.
"""

from __future__ import annotations

import importlib
import inspect
import linecache
import sys
import traceback
import types
from collections.abc import Coroutine, Sequence
from typing import Any, Literal

from engine.guest.inspection import LINE_HOOK, variables, with_stops

SOURCE_NAME = "<workflow>"
PROMPTS_NAME = "<prompt>"


class Operator:
    """One operator on `self`, by this `name`; calling it sends the call to the host and waits for its
    result.
    """

    def __init__(self, host: Any, spec: dict[str, Any], name: str) -> None:
        self._host = host
        self._spec = spec
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        # Not async itself: the calling line is on the stack only until the coroutine is scheduled.
        others = [key for key in kwargs if key in self._spec["other_names"]]
        others += [self._name] if self._name != self._spec["attribute"] else []
        return self._step(self._bind(args, kwargs), Place(), others)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        name, names = self._spec["attribute"], self._spec["parameters"]
        if len(args) > len(names):
            raise TypeError(f"{name}() takes {len(names)} arguments but {len(args)} were given")
        bound = dict(zip(names, args, strict=False))
        extra: list[str] = []
        for key, value in kwargs.items():
            key = self._spec["other_names"].get(key, key)  # noqa: PLW2901
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

    async def _step(self, kwargs: dict[str, Any], place: Place, others: list[str]) -> Any:
        temperature = kwargs.pop("temperature", None) if self._spec["tempered"] else None
        return await step(self._host, self._spec["attribute"], kwargs, place, temperature, others)


class Place:
    """The place in the workflow's source from which a request to the host comes."""

    def __init__(self) -> None:
        frame = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename != SOURCE_NAME:
            frame = frame.f_back  # type: ignore[assignment]
        self.frame = frame
        # Read now: the frame may have moved on by the time it is needed.
        self.line = frame.f_lineno if frame is not None else None


async def step(
    host: Any,
    operator: str,
    kwargs: dict[str, Any],
    place: Place,
    temperature: float | None = None,
    others: Sequence[str] = (),
) -> Any:
    """The result of one operator call, which the host carries out. Without a temperature the run's own is
    used; `others` are the second names that the call used. Raises HostError where the step fails.
    """
    asked = {"operator": operator, "kwargs": kwargs, "temperature": temperature, "others": list(others)}
    return await _ask(host, "step", place, **asked)


async def _ask(host: Any, method: str, place: Place, **args: Any) -> Any:
    """The host's answer. Where the run was stopped here, the host asks for the variables first."""
    reply = await host.call(method, line=place.line, **args)
    while "inspect" in reply:
        seen = variables(place.frame)
        reply = await host.call("variables", token=reply["inspect"], variables=seen)
    return reply["value"]


class Llm:
    """Stands in for AFlow's model handle. Its costs are zero, because the host keeps the ledger."""

    total_cost = 0.0

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        self.cost_manager = self

    def get_usage_summary(self) -> dict[str, float]:
        """{total_cost}, in US dollars: always 0."""
        return {"total_cost": self.total_cost}


class Logger:
    """Stands in for AFlow's `logger`: a message of any level becomes a line of the execution's output."""

    def __getattr__(self, level: str) -> Any:
        return lambda message="", *_args, **_kwargs: sys.stdout.write(f"{level}: {message}\n")


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


class Given:
    """What a workflow's module and class are given. A format's shim (`provide`) adds what only that format
    needs.

    `namespace` is the module's, `arguments` are those that its constructor and its call may take by name,
    `attributes` are set on the workflow before its constructor runs. `operators` are by attribute, `by_class`
    by class name. `inputs` are the run's, `seed` is the execution's, `kind` is the problem's.
    """

    def __init__(self, host: Any, args: dict[str, Any]) -> None:
        self.host = host
        self.inputs, self.entry, self.seed = args["inputs"], args["entry"], args["seed"]
        self.kind = args["kind"]
        self.operators = {
            name: Operator(host, spec, name)
            for spec in args["operators"]
            for name in (spec["attribute"], *spec["also"])
        }
        self.by_class = {spec["name"]: self.operators[spec["attribute"]] for spec in args["operators"]}
        self.llm = Llm()
        self.prompts = types.ModuleType("prompt_custom")
        self.arguments = {"name": "workflow", "llm_config": None, "dataset": None, "config": None}
        self.arguments |= {"llm": self.llm} | self.inputs
        self.attributes = {**self.operators, "llm": self.llm, "name": "workflow", "dataset": None}
        self.namespace: dict[str, Any] = {
            "__name__": "workflow",
            "prompt_custom": self.prompts,
            "operator": OperatorModule(self.by_class),
            "operators": OperatorModule(self.by_class),  # AFlow's scripts/operators.py
            "create_llm_instance": Llm,
            "create": Llm,
            "CostManager": Llm,
            "DatasetType": str,
            "Literal": Literal,
            "logger": Logger(),
        }

    def step(
        self, operator: str, kwargs: dict[str, Any], temperature: float | None
    ) -> Coroutine[Any, Any, Any]:
        """As `step`, for a call that does not go through one of `operators`."""
        return step(self.host, operator, kwargs, Place(), temperature)


async def main(host: Any, args: dict[str, Any]) -> dict[str, Any]:
    """Run the workflow. `args` has its code, prompts, operators (`OperatorSpec.to_guest`), inputs by
    parameter name, seed, kind of problem, entry and shim of its format, and `stops`, the lines to stop at.

    Returns {"value": …}, or {"error": message, "line": number or None} where the workflow raises.
    """
    try:
        given = Given(host, args)
        shim = importlib.import_module(args["shim"]) if args["shim"] else None
        if shim is not None:
            shim.provide(given)
        _run_source(args["prompts"], PROMPTS_NAME, given.prompts.__dict__)
        given.namespace[LINE_HOOK] = lambda _line: _ask(host, "line", Place())
        _run_source(args["code"], SOURCE_NAME, given.namespace, args["stops"])
        value = await getattr(shim, "answer", _answer)(given)
    except Exception as error:  # the workflow is generated code: whatever it raises is its result
        return {"error": _describe(error), "line": _failing_line(error)}
    return {"value": value[0] if isinstance(value, tuple) and value else value}


async def _answer(given: Given) -> Any:
    cls = given.namespace.get("Workflow")
    if not isinstance(cls, type):
        raise TypeError("the source defines no class Workflow")
    workflow: Any = object.__new__(cls)
    for attribute, value in given.attributes.items():
        setattr(workflow, attribute, value)
    if cls.__init__ is not object.__init__:
        workflow.__init__(**_by_name(workflow.__init__, given.arguments))
    # A `__call__` beside a format's own entry wraps it: ScoreFlow's runner puts a time limit there.
    entry = workflow.__call__ if callable(workflow) else getattr(workflow, given.entry)
    result = entry(**_by_name(entry, given.arguments if given.entry == "__call__" else {}))
    return await result if inspect.isawaitable(result) else result


def _run_source(source: str, name: str, namespace: dict[str, Any], stops: list[int] | None = None) -> None:
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(with_stops(source, name, stops) if stops else compile(source, name, "exec"), namespace)


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


def _failing_line(error: BaseException) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == SOURCE_NAME:
        return error.lineno
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == SOURCE_NAME]
    return lines[-1] if lines else None


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
