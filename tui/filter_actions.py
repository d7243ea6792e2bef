"""The actions that narrow the list of runs; `tui.actions` has them among all others."""

from __future__ import annotations

from tui.action_scopes import Action

RUNS_FILTERS: tuple[Action, ...] = (
    Action(
        "runs.facets",
        "F",
        "Facets",
        "Narrow by status, variant, benchmark or label, with how many runs have each.",
        "runs",
        True,
    ),
    Action("runs.saved", "o", "Saved filters", "Show the runs of a filter that has a name.", "runs"),
    Action("runs.save", "S", "Save filter", "Give the filter a name, or forget the name.", "runs"),
    Action("runs.earlier_filter", "up", "Earlier search", "In the search: the one before it.", "runs"),
    Action("runs.later_filter", "down", "Later search", "In the search: the one after it.", "runs"),
)
