"""From a failed HumanEval run to a passing fork, on the real screens.

The worker is a server on this machine that stands in for a model: it forgets a case until the prompt names
it. Everything else is the workbench as users have it: command line, store, engine, sandbox, screens. A test
counts the keys; `python -m tests.support.tour HumanEval.jsonl docs/images` draws what docs/tour.md and the
README show: pictures and a recording of the tour, and the bundled example as the embedded models run it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from tests.support.openai_server import OpenAIServer, Reply, answer
from tests.support.recording import Frame, recorded
from tests.tui.pilots import WIDE, until
from tui.app import WorkbenchApp
from tui.screens.fork.fork import ForkScreen
from tui.screens.run.run import RunScreen
from tui.screens.runs.runs import RunsScreen
from tui.service.workbench import EngineWorkbench
from tui.widgets.outline_view import OutlineView
from tui.widgets.table_view import TableView

PROBLEM = "HumanEval/0"
HINT = "Compare every pair of numbers, not only neighbours."
RIGHT = """```python
def has_close_elements(numbers, threshold):
    return any(
        abs(a - b) < threshold for i, a in enumerate(numbers) for b in numbers[i + 1 :]
    )
```"""
WRONG = """```python
def has_close_elements(numbers, threshold):
    return any(abs(a - b) < threshold for a, b in zip(numbers, numbers[1:]))
```"""
SIZE = (120, 36)
FRAME_SECONDS = 3.0


@dataclass(frozen=True)
class Toured:
    """How it went: the keys pressed after the run was selected, and how the fork ended."""

    keys: list[str]
    status: str
    reused: int


def model(request: dict[str, Any]) -> Reply:
    """The stand-in: right once it is told what it forgets."""
    return answer(RIGHT if HINT in request["messages"][-1]["content"] else WRONG)


@asynccontextmanager
async def failed_run(data: Path, folder: Path) -> AsyncIterator[Path]:
    """A store with one failed run of `PROBLEM`, made by the command line; the stand-in goes on answering."""
    store = folder / "store.db"
    async with OpenAIServer(model) as server:
        os.environ["FLOWREASONER_ENDPOINTS__STAND__BASE_URL"] = server.url
        command = [sys.executable, "-m", "tui.start", "run", f"humaneval:{PROBLEM}", "--data", str(data)]
        command += ["--variant", "vanilla", "--worker", "stand/model", "--repeats", "1"]
        env = {**os.environ, "FLOWREASONER_STORE": str(store)}
        process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
        assert await process.wait() == 1, "the run was to fail its tests"
        yield store


def _unseen(app: WorkbenchApp, told: str) -> None:
    """Nothing is recorded."""


async def tour(
    store: Path,
    snap: Callable[[WorkbenchApp, str], None],
    tell: Callable[[WorkbenchApp, str], None] = _unseen,
) -> Toured:
    """Press the keys of docs/tour.md; `snap` is called where there is something to see, `tell` after every
    key with what it did.
    """
    from engine.config import load

    app = WorkbenchApp(EngineWorkbench(load().model_copy(update={"store": store})))
    keys: list[str] = []

    async def press(pilot: Pilot[Any], *pressed: str) -> None:
        keys.extend(pressed)
        await pilot.press(*pressed)

    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("2")
        await until(
            pilot, lambda: isinstance(app.screen, RunsScreen) and app.screen.query_one(TableView).count
        )
        snap(app, "runs")
        tell(app, "2: all runs; the newest has failed")
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.finished)
        await until(pilot, lambda: app.focused is not None and app.focused.id == "steps")
        steps = app.screen.query_one(OutlineView)
        await until(pilot, lambda: steps.selected is not None and steps.selected[0] == "evaluation")
        snap(app, "failure")
        tell(app, "enter: its trace, at the first failure")
        await press(pilot, "k")
        await pilot.pause()
        tell(app, "k: the step that wrote the code")
        await press(pilot, "F")
        await until(pilot, lambda: isinstance(app.screen, ForkScreen))
        tell(app, "F: a fork at this step")
        await pilot.press(*HINT, "enter")  # typed, not pressed
        snap(app, "fork")
        tell(app, "a sentence added to the prompt")
        await press(pilot, "ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.live)
        assert isinstance(app.screen, RunScreen)
        state = app.screen.session.state
        screen = app.screen
        await until(pilot, lambda: screen.query_one(OutlineView).count)
        tell(app, "ctrl+r: the fork runs")
        await until(pilot, lambda: state.finished and screen._seen == state.revision)
        await pilot.pause()
        snap(app, "passed")
        tell(app, "it has passed the hidden tests")
    reused = sum(bool(getattr(node, "reused", False)) for node in state.tree.nodes.values())
    return Toured(keys, state.status, reused)


async def example(folder: Path) -> str:
    """A picture of the bundled example, as the embedded models have run it."""
    from engine.config import load

    app = WorkbenchApp(EngineWorkbench(load().model_copy(update={"store": folder / "example.db"})))
    async with app.run_test(size=WIDE) as pilot:
        app.start_run(await asyncio.to_thread(app.workbench.default_request))
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.finished)
        assert isinstance(app.screen, RunScreen)
        state, screen = app.screen.session.state, app.screen
        await until(pilot, lambda: screen._seen == state.revision)
        steps = screen.query_one(OutlineView)
        await until(pilot, lambda: steps.count)
        await pilot.press("k", "k", "k")
        await pilot.pause()
        return app.export_screenshot()


async def draw(data: Path, out: Path) -> Toured:
    """Make the tour and the example, and write their pictures into the folder `out`."""
    frames: list[Frame] = []

    def snap(app: WorkbenchApp, name: str) -> None:
        app.save_screenshot(f"tour-{name}.svg", path=str(out))

    def tell(app: WorkbenchApp, told: str) -> None:
        frames.append(Frame(app.export_screenshot(title=told), FRAME_SECONDS))

    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        async with failed_run(data, Path(folder)) as store:
            toured = await tour(store, snap, tell)
        (out / "run.svg").write_text(await example(Path(folder)))
    (out / "tour.svg").write_text(recorded(frames))
    return toured


def main() -> None:
    print(asyncio.run(draw(Path(sys.argv[1]), Path(sys.argv[2]))))


if __name__ == "__main__":
    main()
