"""One registry of actions: complete, free of clashes, and the only source of keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui import actions
from tui.action_scopes import SCREENS
from tui.actions import ACTIONS, UNSAFE_KEYS, actions_on, keymap_problems, keys_of, markdown_table
from tui.app import WorkbenchApp
from tui.screens.compare.choose import ChooseScreen
from tui.screens.compare.compare import CompareScreen
from tui.screens.confirm.confirm import ConfirmScreen
from tui.screens.experiments.experiments import ExperimentsScreen
from tui.screens.experiments.trials import TrialsScreen
from tui.screens.failures.failures import FailuresScreen
from tui.screens.fork.fork import ForkScreen
from tui.screens.help.help import HelpScreen
from tui.screens.home.home import HomeScreen
from tui.screens.hosts.hosts import HostsScreen
from tui.screens.new_experiment.new_experiment import NewExperimentScreen
from tui.screens.new_run.new_run import NewRunScreen
from tui.screens.pick.pick import PickScreen
from tui.screens.playground.grid import GridTable
from tui.screens.playground.playground import PlaygroundScreen
from tui.screens.run.not_begun import NotBegun
from tui.screens.run.run import RunScreen
from tui.screens.runs.runs import RunsScreen
from tui.screens.stop.stop import StopScreen
from tui.screens.training.job import JobScreen
from tui.screens.training.launch import LaunchScreen
from tui.screens.training.plots_pane import PlotsPane
from tui.screens.training.training import TrainingScreen
from tui.widgets.candidates_view import CandidatesView
from tui.widgets.line_list import LineList
from tui.widgets.outline_view import OutlineView
from tui.widgets.table_view import TableView
from tui.widgets.text_view import TextView
from tui.widgets.timeline_view import TimelineView

OWNERS: dict[str, tuple[type, ...]] = {
    "app": (WorkbenchApp,),
    "home": (HomeScreen,),
    "run": (RunScreen,),
    "runs": (RunsScreen,),
    "choose": (ChooseScreen,),
    "compare": (CompareScreen,),
    "failures": (FailuresScreen,),
    "experiments": (ExperimentsScreen,),
    "trials": (TrialsScreen,),
    "bench": (NewExperimentScreen,),
    "hosts": (HostsScreen,),
    "training": (TrainingScreen,),
    "job": (JobScreen,),
    "curves": (PlotsPane,),
    "candidates": (CandidatesView,),
    "launch": (LaunchScreen,),
    "form": (NewRunScreen,),
    "not_begun": (NotBegun,),
    "confirm": (ConfirmScreen,),
    "pick": (PickScreen,),
    "stop": (StopScreen,),
    "fork": (ForkScreen,),
    "playground": (PlaygroundScreen,),
    "grid": (GridTable,),
    "dialog": (HelpScreen,),
    "help": (HelpScreen,),
    "list": (LineList,),
    "table": (TableView,),
    "tree": (OutlineView,),
    "timeline": (TimelineView,),
    "text": (TextView,),
}


def test_ids_are_unique_and_carry_their_scope() -> None:
    assert len({a.id for a in ACTIONS}) == len(ACTIONS)
    assert all(a.id.startswith(f"{a.scope}.") for a in ACTIONS)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.id)
def test_every_action_has_a_method_a_safe_key_and_a_sentence(action: actions.Action) -> None:
    assert all(hasattr(owner, f"action_{action.action}") for owner in OWNERS[action.scope])
    assert not UNSAFE_KEYS & set(keys_of(action, {}))
    assert not any(key.startswith("alt+") for key in keys_of(action, {}))
    assert action.help.endswith(".")


def test_the_defaults_do_not_clash() -> None:
    assert keymap_problems({}) == []


@pytest.mark.parametrize("screen", SCREENS)
def test_what_is_focused_takes_no_key_from_its_screen(screen: str) -> None:
    """A list or a text gets the keys first; in the search of the runs and in forms it is no list."""
    widgets = ("list", "table", "tree", "timeline", "curves", "candidates", "grid", "text")
    taken = [a for a in ACTIONS if a.scope in SCREENS[screen] and a.scope in widgets]
    own = [a for a in ACTIONS if a.scope in SCREENS[screen] and a.scope not in widgets]
    both = {(key, a.id) for a in own for key in keys_of(a, {}) if any(key in keys_of(b, {}) for b in taken)}
    assert both <= {
        ("up", "runs.earlier_filter"),
        ("down", "runs.later_filter"),
        ("down", "bench.choose"),
        ("down", "form.choose"),
    }


def test_a_keymap_is_checked() -> None:
    problems = keymap_problems({"app.nothing": "a", "app.copy": "ctrl+m", "run.follow": "v", "app.help": "X"})
    text = "\n".join(problems)
    assert "no action 'app.nothing'" in text
    assert "app.copy is on ctrl+m" in text
    assert "run.follow and run.next_failure are both on v" in text
    assert "app.help and run.cancel are both on X" in text


def test_no_module_binds_keys_besides_the_registry() -> None:
    folder = Path(actions.__file__).parent
    for path in folder.rglob("*.py"):
        if path.name != "actions.py":
            assert " Binding(" not in path.read_text(), path


def test_every_screen_offers_its_actions_and_those_of_the_app() -> None:
    for screen in SCREENS:
        ids = {a.id for a in actions_on(screen)}
        assert {"app.help", "app.quit"} <= ids


def test_the_table_for_the_docs_names_every_action() -> None:
    table = markdown_table()
    assert all(f"`{a.id}`" in table for a in ACTIONS)
