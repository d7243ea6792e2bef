"""From a request to the run that it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.service.asked.again import open_rerun
from tui.service.asked.fork import open_fork
from tui.service.asked.playground import open_grid
from tui.service.asked.run import open_new_run, open_workflow
from tui.service.requests import GivenWorkflow, NewFork, NewGrid, NewRun, Rerun, RunRequest

if TYPE_CHECKING:
    from engine.runner import Run
    from tui.service.runtime import Runtime


async def open_run(runtime: Runtime, request: RunRequest | GivenWorkflow) -> Run:
    """The run that is asked for. It begins when `runtime` records it, and not before.

    Raises:
        BreakpointError, ForkError, StepError, PlaygroundError, TemplateError, ProblemError, OperatorSetError,
        UnknownVariantError, OptionError, NotRenamableError, PlanError: what is asked for is not possible; the
            message says why.
        ModelError, SandboxError, StoreError: something it needs is not available.
    """
    from engine.run.control import parse_breakpoint

    if isinstance(request, GivenWorkflow):
        return await open_workflow(runtime, request)
    breakpoints = [parse_breakpoint(text) for text in request.breakpoints]
    match request:
        case NewRun():
            run = await open_new_run(runtime, request)
        case NewFork():
            run = await open_fork(runtime, request)
        case Rerun():
            run = await open_rerun(runtime, request)
        case NewGrid():
            run = await open_grid(runtime, request)
    run.control.set_breakpoints(breakpoints)
    return run
