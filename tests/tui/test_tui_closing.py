"""A screen that closes while it still reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from textual.widget import Widget

from engine.experiments.standing import Standing
from tests.tui.pilots import SMALL, app_of
from tests.tui.scripted import ScriptedWorkbench
from tui.screens.experiments.experiments import ExperimentsScreen


class SlowEngines(ScriptedWorkbench):
    """Engines that answer when the gate opens."""

    def __init__(self, store: Path, gate: asyncio.Event) -> None:
        super().__init__(store)
        self.gate, self.asked = gate, asyncio.Event()

    async def experiments(self, left_out: Callable[[str], object]) -> list[Standing]:
        self.asked.set()
        await self.gate.wait()
        return []


class LastWidget(Widget):
    """Opens the gate as it leaves the screen, and leaves after its siblings."""

    def __init__(self, gate: asyncio.Event) -> None:
        super().__init__()
        self.gate = gate

    async def on_unmount(self) -> None:
        self.gate.set()
        for _ in range(100):
            await asyncio.sleep(0)


async def test_a_screen_may_be_closed_while_it_reads(store: Path) -> None:
    gate = asyncio.Event()
    workbench = SlowEngines(store, gate)
    app = app_of(workbench)
    async with app.run_test(size=SMALL):
        workbench.asked.clear()
        screen = ExperimentsScreen()
        await app.push_screen(screen)
        await workbench.asked.wait()
        await screen.mount(LastWidget(gate))
        await app.pop_screen()
        assert gate.is_set()
