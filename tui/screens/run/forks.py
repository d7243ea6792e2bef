"""Forking a run at a step: the dialog, and the request that comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.screen import Screen

from sandbox.errors import ExpectedError
from tui.safe import one_line
from tui.trace.nodes import CallNode, StepNode
from tui.trace.state import RunState

if TYPE_CHECKING:
    from tui.navigation import Navigation
    from tui.screens.base import WorkbenchScreen
    from tui.screens.fork.fork import Changes
    from tui.service.requests import NewFork


def fork_at(
    screen: Screen[None],
    state: RunState,
    step: StepNode | None,
    navigation: Navigation,
) -> None:
    """Ask what is to change at a step of a run, and start the fork."""
    from tui.screens.fork.fork import ForkScreen, fork_form

    if not state.finished:
        screen.notify("The run is still in progress; fork it once it has ended.")
        return
    if step is None:
        screen.notify("First select the step to fork at.")
        return

    async def begin(changes: Changes) -> None:
        try:
            store = navigation.workbench.store_path
            request = await asyncio.to_thread(_request, store, state.run_id, step.key[1], changes)
        except ExpectedError as error:
            screen.notify(one_line(str(error), 300), severity="error")
        else:
            form = fork_form(state.run_id, step.key[1])
            navigation.start_run(request, begun=lambda: navigation.memory.drop_draft(form))

    def take(changes: Changes | None) -> None:
        if changes is not None:
            screen.run_worker(partial(begin, changes), group="fork", exclusive=True)

    screen.app.push_screen(ForkScreen(state.run_id, step, _prompt_of(state, step), state.worker), take)


def with_parent(screen: Screen[None], state: RunState, show: Callable[[str, str], None]) -> None:
    """Call `show` with the run that this one was forked from, and this one; say so where there is none."""
    if (parent := state.origin.get("parent")) is None:
        screen.notify("This run was not forked from another.")
    else:
        show(str(parent), state.run_id)


def show_forks(screen: WorkbenchScreen[None], state: RunState) -> None:
    """Show the forks and reruns of the runs that failed as this one did, or the one it was forked from."""
    from tui.screens.failures.paired import open_forks_beside

    if state.run_id:
        open_forks_beside(screen, state.run_id)
    else:
        screen.notify("The run has not begun yet.")


def _request(store: Path, run_id: str, step_id: str, changes: Changes) -> NewFork:
    """Raises ExpectedError where the record does not allow this fork."""
    from tui.service.asked.fork import check_fork, read_record
    from tui.service.requests import NewFork

    record = read_record(store, run_id)
    request = NewFork(
        parent=record.run_id,
        at=step_id,
        inputs=changes.inputs,
        prompt=changes.prompt,
        everywhere=changes.everywhere,
        worker=changes.worker,
    )
    check_fork(record, request)
    return request


def _prompt_of(state: RunState, step: StepNode) -> str | None:
    """The user's message of the step's first model call, None where it made none or was served."""
    children = (state.tree.nodes[key] for key in step.children)
    call = next((c for c in children if isinstance(c, CallNode)), None)
    texts = [m["content"] for m in call.messages if m["role"] == "user"] if call else []
    return texts[-1] if texts else None
