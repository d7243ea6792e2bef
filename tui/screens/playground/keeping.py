"""What a cell of the playground is kept as: a fork of the run, or a variant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual.screen import Screen

from sandbox.errors import ExpectedError
from tui.safe import one_line
from tui.screens.playground.prompts import Row

if TYPE_CHECKING:
    from engine.playground.step import PlayedStep
    from tui.service.requests import NewFork


def fork_of(store: Path, played: PlayedStep, row: Row, model: str) -> NewFork:
    """The run again from the step on, with this prompt and model. Raises ExpectedError."""
    from tui.service.asked.fork import fork_request, read_record

    edited = row.text != played.template.text
    record = read_record(store, played.record.run_id)
    return fork_request(
        record,
        at=played.step.id,
        prompt=played.template.fill(row.text) if edited else None,
        worker=model if model != record.start.worker else None,
    )


def save_as_variant(
    screen: Screen[None], played: PlayedStep, row: Row, store: Path, complain: Callable[[str], None]
) -> None:
    """Ask for a folder, and save the workflow with this prompt there. What is wrong goes to `complain`."""
    from tui.screens.ask.ask import AskScreen

    variants = store.parent / "variants"

    async def write(name: str) -> None:
        from engine.paths import expanded
        from engine.playground.promote import save_variant

        try:
            folder = variants / name if "/" not in name else expanded(name)
            files = await asyncio.to_thread(save_variant, played, row.text, folder)
        except ExpectedError as error:
            complain(str(error))
            return
        complain("")
        where = one_line(str(files[-1]), 200)
        screen.notify(f"Saved; name {where} as the variant of a run.", timeout=10)

    def save(name: str | None) -> None:
        if name:
            screen.run_worker(write(name), group="promote", exclusive=True)

    hint = f"A new folder; a name without a path goes into {one_line(str(variants), 60)}."
    screen.app.push_screen(AskScreen("Save the workflow with this prompt as", hint=hint), save)
