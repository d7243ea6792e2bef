"""What was asked: the query and the tests of its problem."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from tui.trace.state import RunState
from tui.trace.subject import tests_text
from tui.widgets.text_view import TextView


class ProblemPane(Vertical):
    """Shows the problem of one run."""

    def compose(self) -> ComposeResult:
        query = TextView(id="query", classes="pane")
        query.border_title = "Query"
        yield query
        yield TextView(id="tests", classes="pane", language="python", empty="None.")

    def show(self, state: RunState) -> None:
        """Show the problem as far as it is known."""
        self.query_one("#query", TextView).show(state.query)
        tests = self.query_one("#tests", TextView)
        tests.show(tests_text(state))
        tests.border_title = "Tests · model-written" if state.tests_written_by_model else "Tests"
