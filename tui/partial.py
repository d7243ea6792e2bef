"""The operator graph of code that is still being written."""

from __future__ import annotations

from typing import Any


def partial_graph(code: str) -> dict[str, Any]:
    """The graph of as much of `code` as parses, over the paper's operators; empty while nothing does."""
    from engine.operators.sets import PAPER
    from engine.workflows.partial import partial_graph as engine_graph

    return engine_graph(code, PAPER).to_json()
