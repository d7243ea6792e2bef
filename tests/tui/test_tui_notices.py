"""A sign outside of the window that something long has ended: none, a bell, or a desktop notification."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.pilots import app_of, until
from tests.tui.scripted import ScriptedSettings, ScriptedWorkbench, passing_run
from tui.app import WorkbenchApp
from tui.notices import BELL, LONG_S, Notices, Notifier, desktop


@pytest.mark.parametrize(
    ("environ", "begins"),
    [
        ({"TERM": "xterm-256color"}, "\x1b]9;"),
        ({"TERM": "xterm-kitty"}, "\x1b]9;"),
        ({}, "\x1b]9;"),
        ({"TERM": "rxvt-unicode-256color"}, "\x1b]777;notify;FlowReasoner;"),
        ({"TERM": "foot"}, "\x1b]777;notify;FlowReasoner;"),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7200"}, "\x1b]777;notify;FlowReasoner;"),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, "\x1bPtmux;\x1b\x1b]9;"),
    ],
)
def test_each_terminal_gets_what_it_knows(environ: dict[str, str], begins: str) -> None:
    assert desktop("e is done", environ).startswith(begins)


@pytest.mark.parametrize("text", ["a\x07\x1b]0;owned\x07", "a;b;c", "line\nline", "\x9b31m red", "x" * 5000])
@pytest.mark.parametrize("environ", [{"TERM": "xterm"}, {"TERM": "foot"}])
def test_a_text_cannot_end_the_sequence_or_begin_another(text: str, environ: dict[str, str]) -> None:
    sequence = desktop(text, environ)
    assert sequence.count("\x1b") == 1 and sequence.endswith("\a") and sequence.count("\a") == 1
    assert sequence.count(";") == (3 if environ["TERM"] == "foot" else 1)
    assert len(sequence) < 300 and "\n" not in sequence and "\x9b" not in sequence


@pytest.mark.parametrize(("setting", "count"), [("off", 0), ("bell", 1), ("desktop", 1)])
def test_only_what_was_long_is_told_and_only_if_asked_for(setting: Notices, count: int) -> None:
    written: list[str] = []
    notifier = Notifier(lambda: setting, written.append)
    notifier.ended("short", LONG_S - 1)
    notifier.ended("long", LONG_S)
    assert len(written) == count
    assert setting != "bell" or written == [BELL]


async def test_the_end_of_a_long_run_rings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(WorkbenchApp, "_write", lambda _, sequence: written.append(sequence))
    monkeypatch.setattr("tui.notices.LONG_S", 0.0)
    workbench = ScriptedWorkbench(
        tmp_path / "store.db", passing_run(), settings=ScriptedSettings(notices="bell")
    )
    app = app_of(workbench)
    async with app.run_test() as pilot:
        app.start_run(workbench.default_request())
        await until(pilot, lambda: written == [BELL])
