"""The operator graph of code that is still being written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def partial_graph(code: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The graph of as much of `code` as parses; empty while nothing does.

    `config` is the run's, as its first event has it: it names the operators that the code may call.
    """
    from engine.operators.own import OperatorSetError, recorded_set
    from engine.operators.sets import PAPER
    from engine.workflows.partial import partial_graph as engine_graph

    try:
        operators = recorded_set(config)
    except OperatorSetError:  # a run of another version: the paper's operators are better than none
        operators = PAPER
    return engine_graph(code, operators).to_json()
