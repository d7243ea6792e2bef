"""The graph of the workflow that the run screen is about, also while it is being written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from tui.trace.state import RunState
from tui.trace.subject import Subject, graph_that_ran, node_counts, node_marks
from tui.widgets.graph_view import GraphView


class GraphPane(GraphView):
    """Draws a subject's graph. Of a workflow being written it is what parses, which a thread finds out."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._graph: Mapping[str, Any] = {}
        self._graph_of = ""
        self._drawn: tuple[object, ...] = ()

    def show_subject(self, state: RunState, subject: Subject) -> None:
        """Draw it as far as it is known; call this again while code comes."""
        if subject.proposal is not None:
            self._graph, self._graph_of = subject.proposal.graph, subject.code
        elif subject.code != self._graph_of:
            self._graph_of = subject.code
            parse = partial(self._parse, subject.code, state.config)
            self.run_worker(parse, group="graph", exclusive=True)
        # Every step is looked at for it, and a move of the cursor changes nothing.
        if (drawn := (state, state.revision, subject.round, self._graph)) == self._drawn:
            return
        self._drawn = drawn
        graph = graph_that_ran(state, subject, self._graph)
        counts = node_counts(state, subject, graph)
        self.show(graph, node_marks(state, subject, graph), counts)
        unknown = "more is chosen as it runs" if graph.get("chooses") else ""
        self.border_subtitle = counts.words or unknown

    async def _parse(self, code: str, config: Mapping[str, Any]) -> None:
        from tui.trace.partial import partial_graph

        graph = await asyncio.to_thread(partial_graph, code, config)
        # While a line is half written less may parse than before; a graph that flickers helps nobody.
        if graph["nodes"] or not code:
            self._graph = graph
