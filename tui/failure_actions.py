"""The actions of the screen of failed runs; `tui.actions` has them among all others."""

from __future__ import annotations

from tui.action_scopes import Action

FAILURES: tuple[Action, ...] = (
    Action(
        "failures.group",
        "c",
        "Cluster by",
        "Cluster by signature, problem, operator, variant, label or benchmark, in turn.",
        "failures",
        True,
        "Group",
    ),
    Action("failures.label", "l", "Label", "Give the run a label, or remove one.", "failures", True),
    Action("failures.note", "n", "Note", "Write a note on the run.", "failures", True),
    Action(
        "failures.bookmark",
        "b",
        "Bookmark",
        "Bookmark the run, or remove the bookmark.",
        "failures",
        True,
        "Star",
    ),
    Action("failures.training_set", "t", "Training set", "Put the run into a training set.", "failures"),
    Action(
        "failures.train",
        "D",
        "Train on these",
        "Build a data set of the cluster's runs to train on.",
        "failures",
    ),
    Action("failures.rerun", "R", "Run again", "Run it again, as a new run.", "failures", True, "Rerun"),
    Action(
        "failures.rerun_cluster",
        "A",
        "Run cluster again",
        "Run the cluster's newest runs again, at most 20, after asking.",
        "failures",
    ),
    Action(
        "failures.fork_cluster",
        "F",
        "Fork cluster",
        "Make one edit, and run the cluster's newest runs again with it, at most 20.",
        "failures",
        True,
        "Fork",
    ),
    Action(
        "failures.forks",
        "B",
        "Before and now",
        "Show the cluster's runs beside their forks and reruns.",
        "failures",
    ),
    Action(
        "failures.undo",
        "U",
        "Undo",
        "Undo the latest change to a label, note, bookmark or training set.",
        "failures",
    ),
    Action(
        "failures.step",
        "p",
        "Prompt and reply",
        "Show the prompt and reply of the step that went wrong, or why the run failed.",
        "failures",
    ),
    Action("failures.watch", "w", "Watch", "Announce new runs of the cluster, or stop doing so.", "failures"),
    Action("failures.reload", "ctrl+r", "Reload", "Read the clusters from the store again.", "failures"),
)
