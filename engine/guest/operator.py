"""Runs one operator step inside the sandbox, in a process of its own."""

from __future__ import annotations

import importlib
import linecache
import sys
import types
from typing import Any

OWN_MODULE = "own_operators"


async def main(host: Any, args: dict[str, Any]) -> Any:
    """The result of the operator; `args` are those of `OperatorSpec.to_step`. Raises TypeError where the
    result is not of the form that its set says, and whatever the operator raises.
    """
    module = _module(args["module"], args["source"])
    result = await getattr(module, args["function"])(host, **args["kwargs"])
    wrong = _mismatch(result, args["returns"])
    if wrong:
        raise TypeError(f"{args['function']}() {wrong}")
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
