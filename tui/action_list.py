"""Every action of the workbench, in the order in which help and docs list them."""

from __future__ import annotations

from tui.action_scopes import Action, Scope
from tui.changing_actions import CHANGING
from tui.failure_actions import FAILURES
from tui.filter_actions import RUNS_FILTERS
from tui.training_actions import TRAINING

# Screens of several panes that step through them as Textual does.
_OF_PANES: tuple[Scope, ...] = ("home", "experiments", "failures", "hosts", "training", "job", "compare")
_PANES = tuple(
    Action(f"{scope}.{name}", key, title, text, scope)
    for scope in _OF_PANES
    for name, key, title, text in (
        ("next_pane", "tab", "Next pane", "Go to the next pane."),
        ("previous_pane", "shift+tab", "Previous pane", "Go to the previous pane."),
    )
)
ACTIONS: tuple[Action, ...] = (
    Action(
        "app.new_run",
        "r",
        "New run",
        "Open the form of a new run; it starts with the bundled example.",
        "app",
        True,
    ),
    Action("app.home", "1", "Home", "Runs in progress, recent runs, and what is set up.", "app"),
    Action("app.runs", "2", "Runs", "Every run in the store.", "app"),
    Action("app.live", "3", "Live run", "The run in progress, or the last one started here.", "app"),
    Action("app.failures", "4", "Failures", "Failed runs, clustered by what went wrong.", "app"),
    Action("app.experiments", "5", "Experiments", "Variants on benchmarks: progress and scores.", "app"),
    Action("app.compare", "6", "Compare", "Choose variants of experiments to compare.", "app"),
    Action(
        "app.playground",
        "7",
        "Playground",
        "The prompt of the selected step; elsewhere the prompt last edited, or the newest run's.",
        "app",
    ),
    Action("app.training", "8", "Training", "Training jobs: their state and curves.", "app"),
    Action("app.hosts", "9", "Hosts", "Docker hosts, images, containers, and the hosts for training.", "app"),
    Action(
        "app.back",
        "escape",
        "Back",
        "Restore a zoomed pane, clear a filter, or close the screen or dialog.",
        "app",
    ),
    Action("app.copy", "y", "Copy", "Copy the focused text; a long text is written to a file.", "app"),
    Action("app.edit", "e", "Open in $EDITOR", "Open the whole focused text in $VISUAL or $EDITOR.", "app"),
    Action("app.export", "x", "Export", "Write the whole focused text to a file and show its path.", "app"),
    Action(
        "app.share", "W", "Write run", "Write the run as a bundle, report, events, spans or data set.", "app"
    ),
    Action("app.jump", "ctrl+o", "Jump to pane", "Pick a pane by its letter.", "app"),
    Action("app.zoom", "z", "Zoom", "Give the focused pane the whole screen, or undo that.", "app"),
    Action("app.change_theme", "T", "Theme", "Pick a colour theme.", "app"),
    Action("app.suspend_process", "ctrl+z", "Suspend", "Back to the shell; fg returns here.", "app"),
    Action("app.command_palette", "ctrl+p", "Palette", "Search all actions by name.", "app", True),
    Action("app.help", "question_mark,f1", "Help", "The keys that work here.", "app", True),
    Action(
        "app.quit",
        "ctrl+q",
        "Quit",
        "Leave; runs continue. Asks first if something would be lost.",
        "app",
        True,
    ),
    Action(
        "run.cancel",
        "X",
        "Cancel run",
        "Stop the run; its record is kept.",
        "run",
        True,
        "Cancel",
    ),
    Action(
        "run.pause",
        "p",
        "Pause or continue",
        "Pause at the next step or call, or continue.",
        "run",
        True,
        "Pause",
    ),
    Action(
        "run.step_over", "s", "Step over", "While paused: continue to the next step of this execution.", "run"
    ),
    Action(
        "run.step_into", "S", "Step into", "While paused: continue to the next call inside the step.", "run"
    ),
    Action("run.step_out", "O", "Step out", "While paused inside a step: continue to the step's end.", "run"),
    Action(
        "run.run_to", "t", "Run to here", "Continue until the line of the selected step is reached.", "run"
    ),
    Action("run.breakpoints", "b", "Breakpoints", "Choose where the run stops.", "run", True, "Stops"),
    Action(
        "run.change", "c", "Look and change", "While paused: see variables, change the pending value.", "run"
    ),
    Action("run.finish", "E", "End and score", "End the run and score the output of its last step.", "run"),
    Action("run.fork", "F", "Fork here", "Run again from the selected step, changed.", "run", True, "Fork"),
    Action("run.playground", "a", "Playground", "Edit the step's prompt and ask several models.", "run"),
    Action("run.parent", "P", "Parent", "Open the run that this one was forked from.", "run"),
    Action(
        "run.forks",
        "B",
        "Before and now",
        "Show forks and reruns of the runs that failed as this one, or its parent, did.",
        "run",
    ),
    Action("run.against_parent", "D", "Against parent", "Compare the fork with its parent.", "run"),
    Action(
        "run.replay",
        "R",
        "Replay",
        "Play the run at its recorded pace; in a replay, pause or continue.",
        "run",
    ),
    Action("run.faster", "full_stop", "Faster", "Replay faster, up to 50 times.", "run"),
    Action("run.slower", "comma", "Slower", "Replay slower, down to the recorded pace.", "run"),
    Action("run.follow", "f", "Follow", "Keep the newest step selected while the run continues.", "run"),
    Action("run.next_pane", "tab", "Next pane", "Go to the next pane.", "run"),
    Action("run.previous_pane", "shift+tab", "Previous pane", "Go to the previous pane.", "run"),
    Action("run.next_view", "w", "View", "Steps as a tree, as a timeline, or as raw events.", "run", True),
    Action(
        "run.next_tab", "right_curly_bracket", "Next tab", "The next tab that has text.", "run", True, "Tab"
    ),
    Action(
        "run.previous_tab", "left_curly_bracket", "Previous tab", "The previous tab that has text.", "run"
    ),
    Action(
        "run.earlier",
        "left_square_bracket",
        "Earlier",
        "Show the run as it was one event earlier; streamed text counts as one event.",
        "run",
        True,
    ),
    Action(
        "run.later",
        "right_square_bracket",
        "Later",
        "Show one event later; the last event is the present.",
        "run",
    ),
    Action("run.earlier_step", "less_than_sign", "Step earlier", "Go back to where a step began.", "run"),
    Action("run.later_step", "greater_than_sign", "Step later", "Go to where the next step begins.", "run"),
    Action("run.now", "backslash", "Now", "Show the run as it is now.", "run"),
    Action("run.search", "slash", "Search", "Show only rows whose texts contain these words.", "run", True),
    Action("run.next_hit", "n", "Next hit", "Go to the next match.", "run"),
    Action("run.previous_hit", "N", "Previous hit", "Go to the previous match.", "run"),
    Action("run.only_failures", "V", "Only failures", "Show only what failed, or everything.", "run"),
    Action(
        "run.only_changes",
        "d",
        "Only changes",
        "Show only what differs from the previous attempt, or everything.",
        "run",
    ),
    Action(
        "run.next_failure", "v", "Next failure", "Go to the next row that failed.", "run", True, "Failure"
    ),
    Action("runs.search", "slash", "Search", "Search for runs by words in their texts.", "runs", True),
    Action("runs.failed", "f", "Failed only", "Show only runs that went wrong, or all runs.", "runs", True),
    *RUNS_FILTERS,
    Action("runs.older", "n", "Older", "The next page of runs.", "runs", True),
    Action("runs.newer", "p", "Newer", "The previous page of runs.", "runs", True),
    Action("runs.import_bundle", "I", "Import", "Import the runs of a bundle into the store.", "runs"),
    Action("runs.reload", "ctrl+r", "Reload", "Read the first page from the store again.", "runs"),
    Action("runs.mark", "space", "Mark", "Mark the run for a comparison, or unmark it.", "runs"),
    Action(
        "runs.compare", "c", "Compare", "Compare the marked runs; the first is the baseline.", "runs", True
    ),
    Action(
        "choose.mark", "space", "Mark", "Mark the variant for a comparison, or unmark it.", "choose", True
    ),
    Action(
        "choose.compare",
        "c",
        "Compare",
        "Compare the marked variants; the first is the baseline.",
        "choose",
        True,
    ),
    Action(
        "compare.differences", "d", "Differences", "Show only what differs, or everything.", "compare", True
    ),
    Action("compare.losses", "i", "Regressions", "Show only problems that got worse.", "compare", True),
    Action(
        "compare.try_again",
        "R",
        "Try flips again",
        "Run the flips of this pair again with other seeds.",
        "compare",
        True,
        "Again",
    ),
    Action("compare.baseline", "b", "Baseline", "Make the next side the baseline.", "compare", True),
    Action("compare.next_pair", "p", "Next pair", "Compare the next side with the baseline.", "compare"),
    Action(
        "compare.trace_baseline", "t", "Trace of the baseline", "Open the baseline's whole trace.", "compare"
    ),
    Action("compare.trace_other", "u", "Trace of the other", "Open the other side's whole trace.", "compare"),
    Action(
        "compare.next_page", "right_square_bracket", "Next page", "The next page.", "compare", True, "Page"
    ),
    Action("compare.previous_page", "left_square_bracket", "Previous page", "The previous page.", "compare"),
    *_PANES,
    *FAILURES,
    Action("experiments.new", "n", "New experiment", "Fill in an experiment.", "experiments", True, "New"),
    Action(
        "experiments.pause",
        "p",
        "Pause or continue",
        "Start no more trials (those in progress finish), or continue.",
        "experiments",
        True,
        "Pause",
    ),
    Action(
        "experiments.cancel",
        "X",
        "Cancel",
        "Stop the experiment; trials that are done are kept.",
        "experiments",
        True,
    ),
    Action("experiments.resume", "u", "Resume", "Run the trials that are not done.", "experiments", True),
    Action(
        "experiments.retry",
        "R",
        "Retry infra",
        "Run again only the trials whose sandbox or model failed.",
        "experiments",
        True,
        "Retry",
    ),
    Action("experiments.failed", "f", "Failed only", "Show only failed trials, or all.", "experiments", True),
    Action("experiments.compare", "c", "Compare", "Compare the experiment's variants.", "experiments", True),
    Action(
        "experiments.reload", "ctrl+r", "Reload", "Read the experiments from the store again.", "experiments"
    ),
    Action("trials.failed", "f", "Failed only", "Show only failed trials, or all.", "trials", True),
    Action("trials.reload", "ctrl+r", "Reload", "Read the trials from the store again.", "trials"),
    Action("bench.preview", "ctrl+r", "Preview", "Estimate the calls and the cost.", "bench", True),
    Action(
        "bench.start",
        "f2",
        "Start",
        "Start the experiment; the first press shows the estimate.",
        "bench",
        True,
    ),
    Action("bench.choose", "f3,down", "Choose", "List the benchmarks, or the variants.", "bench", True),
    Action("bench.reset", "ctrl+n", "Start over", "Restore what the form opened with.", "bench"),
    Action(
        "hosts.check",
        "c",
        "Check",
        "Check this machine and all hosts, and try to break out of a sandbox.",
        "hosts",
        True,
    ),
    Action(
        "hosts.add",
        "n",
        "Add a host",
        "Add a machine that jobs run on, once a check has found it well.",
        "hosts",
    ),
    Action("hosts.shell", "s", "Shell", "Open a shell in the selected container.", "hosts", True),
    Action("hosts.reap", "o", "Remove orphans", "Remove containers whose process is gone.", "hosts", True),
    Action("hosts.reload", "ctrl+r", "Refresh", "Read hosts, images and containers again.", "hosts", True),
    *TRAINING,
    Action("form.start", "ctrl+r", "Run", "Start the run as filled in.", "form", True),
    Action("form.choose", "f3,down", "Choose", "List the choices for the focused field.", "form", True),
    Action("form.reset", "ctrl+n", "Start over", "Restore what the form opened with.", "form"),
    Action(
        "not_begun.back_to_form",
        "enter",
        "Back to the form",
        "Reopen the form as it was filled in.",
        "not_begun",
        True,
    ),
    *CHANGING,
    Action("confirm.yes", "y", "Yes", "Do it.", "confirm"),
    Action("confirm.no", "n", "No", "Leave it as it is.", "confirm"),
    Action("pick.down", "down", "Down", "The next name.", "pick"),
    Action("pick.up", "up", "Up", "The previous name.", "pick"),
    Action("help.down", "down", "Down", "Scroll one line down.", "help"),
    Action("help.up", "up", "Up", "Scroll one line up.", "help"),
    Action("help.page_down", "pagedown", "Page down", "Scroll one page down.", "help"),
    Action("help.page_up", "pageup", "Page up", "Scroll one page up.", "help"),
    Action("dialog.close", "escape", "Close", "Close the dialog without choosing.", "dialog"),
    Action("list.down", "j,down", "Down", "One row down.", "list"),
    Action("list.up", "k,up", "Up", "One row up.", "list"),
    Action("list.page_down", "pagedown,ctrl+d", "Page down", "One page down.", "list"),
    Action("list.page_up", "pageup,ctrl+u", "Page up", "One page up.", "list"),
    Action("list.first", "g,home", "First", "The first row.", "list"),
    Action("list.last", "G,end", "Last", "The last row.", "list"),
    Action("list.choose", "enter", "Open", "Open the row under the cursor.", "list"),
    Action(
        "table.sort_next",
        "greater_than_sign",
        "Sort",
        "Sort by the next column; or click its title.",
        "table",
    ),
    Action("table.sort_previous", "less_than_sign", "Sort back", "Sort by the previous column.", "table"),
    Action("table.reverse", "equals_sign", "Reverse", "Reverse the order.", "table"),
    Action("table.right", "right", "Columns right", "Scroll to the columns that do not fit.", "table"),
    Action("table.left", "left", "Columns left", "Scroll back towards the first columns.", "table"),
    Action("table.whole_row", "v", "Whole row", "Show the row in full.", "table"),
    Action(
        "table.choose_columns", "C", "Columns", "Choose the columns to show; the choice is kept.", "table"
    ),
    Action("tree.expand", "l,right", "Expand", "Show what is inside the row.", "tree"),
    Action(
        "tree.collapse", "h,left", "Collapse", "Hide what is inside the row, or go to its parent.", "tree"
    ),
    Action("tree.toggle_row", "space", "Toggle", "Expand or collapse the row.", "tree"),
    Action("timeline.later", "l,right", "Later", "Move the view to a later time.", "timeline"),
    Action("timeline.earlier", "h,left", "Earlier", "Move the view to an earlier time.", "timeline"),
    Action("timeline.zoom_in", "plus", "Zoom in", "Show half the time, around the selected row.", "timeline"),
    Action("timeline.zoom_out", "minus", "Zoom out", "Show twice the time.", "timeline"),
    Action("timeline.zoom_all", "0", "Whole run", "Fit the whole run into the view.", "timeline"),
    Action("text.scroll_down", "j,down", "Scroll down", "One line down.", "text"),
    Action("text.scroll_up", "k,up", "Scroll up", "One line up.", "text"),
    Action("text.page_down", "pagedown,ctrl+d,space", "Page down", "One page down.", "text"),
    Action("text.page_up", "pageup,ctrl+u", "Page up", "One page up.", "text"),
    Action("text.scroll_home", "g,home", "Start", "The start of the text.", "text"),
    Action("text.scroll_end", "G,end", "End", "The end of the text; follows a text that grows.", "text"),
)
