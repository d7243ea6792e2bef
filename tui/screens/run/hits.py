"""Going through the places where what was looked for was found."""

from __future__ import annotations

from textual.screen import Screen

from tui.screens.run.detail_pane import DetailPane
from tui.screens.run.step_views import StepViews
from tui.trace.finder import Finder
from tui.widgets.text_view import TextView


def to_hit(screen: Screen[None], finder: Finder, views: StepViews, detail: DetailPane, by: int) -> None:
    """Show the next hit in the text that is shown, or else the next row that has one."""
    if finder.wanted.query is None:
        screen.notify("First search: press / and type words.")
        return
    text = screen.query_one("#detail-text", TextView)
    if finder.at >= 0 and text.to_hit(by):
        return
    if (hit := finder.step(by)) is None:
        screen.notify("Nothing was found.")
        return
    views.select(hit.key)
    detail.show(hit.key)
    detail.pick(hit.tab)
    text.forget_hit()
    if not text.to_hit(by):
        screen.notify("The match is in a part of this text that is not shown; e opens all of it.")
