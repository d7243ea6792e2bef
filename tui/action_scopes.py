"""What an action is, where actions apply, and which scopes a screen brings along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal[
    "app",
    "home",
    "run",
    "runs",
    "choose",
    "experiments",
    "trials",
    "bench",
    "compare",
    "failures",
    "hosts",
    "training",
    "job",
    "curves",
    "candidates",
    "launch",
    "form",
    "not_begun",
    "stop",
    "fork",
    "playground",
    "grid",
    "dialog",
    "confirm",
    "pick",
    "help",
    "text",
    "list",
    "table",
    "tree",
    "timeline",
]

SCOPES: dict[Scope, str] = {
    "app": "Everywhere",
    "home": "Home",
    "run": "Run and trace",
    "runs": "Runs",
    "choose": "Variants to compare",
    "experiments": "Experiments",
    "trials": "Trials of an experiment",
    "bench": "New experiment",
    "compare": "Compare",
    "failures": "Failures",
    "hosts": "Hosts and sandboxes",
    "training": "Training jobs",
    "job": "A training job",
    "curves": "In a job's curves",
    "candidates": "In a group's candidates",
    "launch": "New training job",
    "form": "New run",
    "not_begun": "A run that could not begin",
    "stop": "At a stop",
    "fork": "Forking",
    "playground": "Playground",
    "grid": "In the playground's grid",
    "dialog": "In a dialog",
    "confirm": "In a confirmation",
    "pick": "Picking from a list",
    "help": "In the list of keys",
    "list": "In a list",
    "table": "In a table",
    "tree": "In the step tree",
    "timeline": "In the timeline",
    "text": "In a text",
}
# Which scopes a screen brings along; bindings of one line must not clash.
SCREENS: dict[str, tuple[Scope, ...]] = {
    "home": ("app", "home", "list", "table"),
    "run": ("app", "run", "list", "tree", "timeline", "text"),
    "runs": ("app", "runs", "list", "table"),
    "choose": ("app", "choose", "list", "table"),
    "experiments": ("app", "experiments", "list", "table"),
    "trials": ("app", "trials", "list", "table"),
    "bench": ("app", "bench", "text"),
    "compare": ("app", "compare", "list", "table", "text"),
    "failures": ("app", "failures", "list", "table", "text"),
    "forks": ("app", "list", "table"),
    "hosts": ("app", "hosts", "list", "table"),
    "training": ("app", "training", "list", "table"),
    "job": ("app", "job", "curves", "candidates", "list", "table", "text"),
    "launch": ("app", "launch", "list"),
    "form": ("app", "form", "text"),
    "stop": ("app", "stop", "text"),
    "fork": ("app", "fork", "text"),
    "playground": ("app", "playground", "grid", "text"),
}


@dataclass(frozen=True)
class Action:
    """One thing a user can do. `id` also names it in the keymap; `action` is Textual's method name."""

    id: str
    key: str
    title: str
    help: str
    scope: Scope
    footer: bool = False
    short: str = ""  # the footer's label, where the title is long

    @property
    def action(self) -> str:
        """The part of `id` after its dot, which Textual takes for `action_NAME`."""
        return self.id.partition(".")[2]
