"""The actions of a stop, a fork and the playground; `tui.actions` has them among all others."""

from __future__ import annotations

from tui.action_scopes import Action

CHANGING: tuple[Action, ...] = (
    Action("fork.start", "ctrl+r", "Start", "Start the fork as changed.", "fork", True),
    Action("fork.reset", "ctrl+n", "Start over", "Restore what was recorded.", "fork"),
    Action("fork.open_editor", "ctrl+g,f4", "$EDITOR", "Edit the field in $VISUAL or $EDITOR.", "fork", True),
    Action(
        "fork.turn",
        "ctrl+t",
        "As JSON",
        "Show the inputs as JSON, to add or remove parts, or as fields.",
        "fork",
        True,
        "JSON",
    ),
    Action("playground.run", "ctrl+r", "Run", "Ask every model with every prompt.", "playground", True),
    Action(
        "playground.add_edit", "ctrl+n", "Edit", "Add a prompt, starting from this one.", "playground", True
    ),
    Action("playground.next_prompt", "ctrl+t", "Prompt", "Show the next prompt.", "playground", True),
    Action("playground.add_model", "ctrl+l", "Model", "Add a model.", "playground", True),
    Action(
        "playground.next_side",
        "right_square_bracket",
        "Variables, message, changes, cell",
        "The prompt's variables, its message, what differs from the recorded one, or the cell, in turn.",
        "playground",
    ),
    Action(
        "playground.open_editor",
        "ctrl+g,f4",
        "$EDITOR",
        "Edit the prompt in $VISUAL or $EDITOR.",
        "playground",
    ),
    Action("playground.cancel", "X", "Cancel", "Stop; answers so far are kept.", "playground"),
    Action(
        "playground.fork",
        "F",
        "Fork with it",
        "Fork at the step with the cell's prompt and model.",
        "playground",
        True,
        "Fork",
    ),
    Action(
        "playground.save",
        "S",
        "Save as variant",
        "Write the workflow with the cell's prompt as a new variant.",
        "playground",
        True,
        "Save",
    ),
    Action("grid.cursor_down", "j,down", "Down", "The next prompt.", "grid"),
    Action("grid.cursor_up", "k,up", "Up", "The previous prompt.", "grid"),
    Action("grid.cursor_right", "l,right", "Right", "The next model.", "grid"),
    Action("grid.cursor_left", "h,left", "Left", "The previous model.", "grid"),
    Action("stop.go_on", "ctrl+r", "Continue", "Continue with the value as it is now.", "stop", True),
    Action(
        "stop.skip",
        "f2",
        "Skip or run",
        "Give an output instead of running the step, or run it.",
        "stop",
        True,
    ),
    Action("stop.reset", "ctrl+n", "Start over", "Restore the original value.", "stop"),
    Action("stop.open_editor", "ctrl+g,f4", "$EDITOR", "Edit the field in $VISUAL or $EDITOR.", "stop", True),
    Action(
        "stop.turn",
        "ctrl+t",
        "As JSON",
        "Show the value as JSON, to add or remove parts, or as fields.",
        "stop",
        True,
        "JSON",
    ),
)
