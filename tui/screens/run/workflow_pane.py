"""What the meta-agent makes: its reasoning, the workflow it writes, and the workflow's graph."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import Vertical

from tui.screens.run.graph_pane import GraphPane
from tui.trace.nodes import Key, StepNode
from tui.trace.state import RunState
from tui.trace.subject import Subject, execution_of, lines_run
from tui.widgets.text_view import TextView


class WorkflowPane(Vertical):
    """Shows one subject: a round's workflow, whole or as far as it is written."""

    _counted: tuple[object, ...] = ()  # what the lines were counted for

    def compose(self) -> ComposeResult:
        yield TextView(id="reasoning", classes="pane", tail=True, empty="Appears as the meta-agent thinks.")
        yield TextView(
            id="workflow", classes="pane", language="python", tail=True, numbers=True,
            empty="Appears as the meta-agent writes it.",
        )  # fmt: skip
        graph = GraphPane(id="graph")
        graph.border_title = "Graph"
        yield graph

    @property
    def _source(self) -> TextView:
        return self.query_one("#workflow", TextView)

    def show(self, state: RunState, subject: Subject, selected: Key | None) -> None:
        """Show the texts, with how often each line ran; `selected` is the row whose line is marked."""
        where = f" · round {subject.round}" if subject.round else ""
        reasoning, source = self.query_one("#reasoning", TextView), self._source
        reasoning.show(subject.reasoning)
        reasoning.border_title = f"Reasoning{where}"
        source.show(subject.source)
        source.border_title = f"Workflow{where}" + (f" · {subject.heading}" if subject.heading else "")
        execution = execution_of(state, selected)
        counted = (state, state.revision, subject.round, execution and execution.key)
        if counted != self._counted:
            self._counted = counted
            source.mark_counts(*lines_run(state, subject, execution))
        node = state.tree.nodes.get(selected) if selected else None
        source.mark_line(node.line if isinstance(node, StepNode) else None)

    def show_graph(self, state: RunState, subject: Subject) -> None:
        """Draw the graph, which is more work than the texts."""
        self.query_one(GraphPane).show_subject(state, subject)

    def mark_stops(self, breakpoints: Iterable[str]) -> None:
        """Mark the lines at which the run is to stop."""
        self._source.mark_stops({int(t.split()[1]) for t in breakpoints if t.startswith("line ")})
