"""How an engine comes up, what is said when it does not, and that nothing of it stays behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import starting
from tests.support.runtime import runtime
from tui.service.engine_process.sockets import EngineError, folder
from tui.service.engine_process.spawn import spawn

__all__ = ["runtime"]  # a fixture


class Starts:
    """Engines of one store that run this text first, as the `sitecustomize` of their Python."""

    def __init__(self, home: Path) -> None:
        self.store = home / "store.db"
        self._first = home / "sitecustomize.py"

    def __call__(self, first: str = "") -> Path:
        self._first.write_text(first)
        return spawn(self.store)

    def why_not(self, first: str) -> str:
        with pytest.raises(EngineError) as caught:
            self(first)
        return str(caught.value)

    def left(self) -> list[str]:
        return [path.name for path in folder(self.store).iterdir()]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str) -> Iterator[Starts]:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    before = children()  # of fixtures that live as long as the session
    yield Starts(tmp_path)
    assert children() <= before


def children() -> set[int]:
    """The processes that this one has started and not waited for, those that have ended among them."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def end(path: Path) -> None:
    """End an engine, and wait until whoever waits for it has."""
    pid = int(path.stem)
    (reaper,) = [thread for thread in threading.enumerate() if thread.name == f"engine {pid}"]
    os.kill(pid, signal.SIGTERM)
    reaper.join(60)
    assert not reaper.is_alive()


def test_an_engine_that_ended_is_no_zombie(start: Starts) -> None:
    path = start()
    assert int(path.stem) in children()
    end(path)
    assert int(path.stem) not in children()
    assert not path.parent.exists()  # what it printed went with it


def test_each_is_told_apart_from_those_before(start: Starts) -> None:
    first = start.why_not("import os; os.write(2, b'the first reason'); os._exit(1)")
    assert first == "the engine ended at once: the first reason"
    second = start.why_not("import os; os.write(2, b'one\\ntwo\\n'); os._exit(1)")
    assert second.startswith("the engine ended at once: two (all that it printed is in ")
    assert Path(second.rpartition(" is in ")[2].rstrip(")")).read_text() == "one\ntwo\n"
    assert start.why_not("import os; os._exit(7)") == "the engine ended at once: exit status 7"
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert start.why_not(killed) == "the engine ended at once: exit status -9"
    assert len(start.left()) == 1  # what could not be told in a sentence


def test_the_end_of_one_says_nothing_about_another(start: Starts) -> None:
    path = start()
    assert start.why_not("import os; os._exit(3)") == "the engine ended at once: exit status 3"
    assert path.exists()
    end(path)


@pytest.mark.parametrize("said", ["", "importing a very large package"])
def test_one_that_does_not_come_up_is_ended(
    start: Starts, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    # It is looked at once it has written what it says, and stands still from then on.
    monkeypatch.setattr(starting, "STILL_S", 3.0)
    hangs = f"import signal, sys\nsys.stderr.write({said!r})\nsys.stderr.flush()\nsignal.pause()"
    why = start.why_not(hangs)
    assert re.fullmatch(
        rf"the engine did not start in \d+ s, with \d\.\d s of CPU time: {said or 'it printed nothing'}", why
    )
    assert start.left() == []


def test_one_that_cannot_be_started_leaves_nothing(start: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert start.why_not("") == "an engine process cannot be started: No such file or directory"
    assert start.left() == []
