"""Runs operators inside the sandbox, in a process that no workflow's code runs in."""

from __future__ import annotations

import importlib
import linecache
import sys
import time
import types
from typing import Any

OWN_MODULE = "own_operators"


async def main(host: Any, args: dict[str, Any]) -> Any:
    """Carry out steps, each as `OperatorSpec.to_step` has it: `args` is the first, and the host gives another
    for the result of the one before, or None at the end.

    A user's own operator has the process to itself. Its result is returned, and so is one that is too large
    to hand over. Raises what an operator raises, and TypeError where its result is not of the form that its
    set says: a step that fails is the last one.
    """
    step: dict[str, Any] | None = args
    while step is not None:
        value = await _result(host, step)
        if step["source"] is not None:
            return value
        try:
            step = await host.call("next", value=value, cpu_ms=time.process_time() * 1000)
        except ValueError:
            return value
    return None


async def _result(host: Any, step: dict[str, Any]) -> Any:
    """The result of one operator."""
    module = _module(step["module"], step["source"])
    result = await getattr(module, step["function"])(host, **step["kwargs"])
    wrong = _mismatch(result, step["returns"])
    if wrong:
        raise TypeError(f"{step['function']}() {wrong}")
    return result


def _module(name: str, source: str | None) -> Any:
    """The preloaded module; with `source`, the user's own module, which came with the step."""
    if source is None:
        return importlib.import_module(name)
    module = types.ModuleType(OWN_MODULE)
    sys.modules[OWN_MODULE] = module  # dataclasses look up the module they are in
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
    return module


def _mismatch(result: Any, returns: str | list[str]) -> str:
    """How the result differs from the form that its set says; "" where it does not."""
    kind = type(result).__name__
    if isinstance(returns, str):
        right = {"str": str, "list": list}[returns]
        return "" if isinstance(result, right) else f"returned a {kind}, where its set says a {returns}"
    if not isinstance(result, dict):
        return f"returned a {kind}, where its set says a dict with {', '.join(returns)}"
    lacking = [key for key in returns if key not in result]
    return f"returned no {lacking[0]!r}, which its set says it does" if lacking else ""
