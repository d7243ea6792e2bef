"""Runs one operator step inside the sandbox, in a process of its own."""

from __future__ import annotations

import importlib
from typing import Any


async def main(host: Any, args: dict[str, Any]) -> Any:
    """`args`: the operator's guest module and its keyword arguments; returns its result dict."""
    module = importlib.import_module(args["module"])
    return await module.run(host, **args["kwargs"])
