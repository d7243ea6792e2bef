"""From an exception to one sentence on standard error and an exit code."""

from __future__ import annotations

import sys
import traceback

PASSED = 0  # passed, or answered where there was nothing to score
FAILED = 1  # ended with a verdict that is not a pass
USAGE = 2  # the input, an option or the configuration is wrong
UNAVAILABLE = 3  # a model, the sandbox, the store or the budget did not allow a verdict
INTERNAL = 70  # a bug of ours
INTERRUPTED = 130

EXIT_BY_STATUS = {
    "passed": PASSED,
    "answered": PASSED,
    "failed": FAILED,
    "cancelled": INTERRUPTED,
    "interrupted": INTERRUPTED,
}


def explain(error: BaseException) -> tuple[str, int] | None:
    """The sentence and exit code for an error that is expected to happen, else None."""
    from engine.config import ConfigError
    from engine.control import BreakpointError, ControlError
    from engine.experiments.cluster_error import ClusterError
    from engine.experiments.plan import PlanError
    from engine.forks.jobs import ForkError
    from engine.forks.steps import StepError
    from engine.formats.format import FormatError
    from engine.models.base import ModelError
    from engine.models.registry import UnknownModelError
    from engine.operators.own import OperatorSetError
    from engine.playground.step import PlaygroundError
    from engine.playground.template import TemplateError
    from engine.problems import ProblemError
    from engine.variants import OptionError, UnknownVariantError
    from sandbox.types import SandboxError
    from store.errors import StoreError
    from store.exports.files import ExportError
    from tui.compare.sides import CompareError
    from tui.remote.sockets import EngineError, LiveRunError
    from tui.sharing.serve import ServeError
    from tui.streams import OutputError
    from tui.workflow_source import WorkflowFileError

    named = (
        BreakpointError,
        ControlError,
        ExportError,
        FormatError,
        UnknownVariantError,
        OptionError,
        UnknownModelError,
        OperatorSetError,
        ServeError,
        ForkError,
        StepError,
        CompareError,
        PlaygroundError,
        TemplateError,
    )
    usage = (ProblemError, LiveRunError, ConfigError, PlanError, WorkflowFileError, *named)
    if isinstance(error, usage):
        return str(error), USAGE
    if isinstance(error, ModelError | SandboxError | StoreError | EngineError | ClusterError | OutputError):
        return str(error), UNAVAILABLE
    return None


def internal(error: BaseException) -> str:
    """Record a bug of ours with its traceback, and say so in one sentence."""
    from platformdirs import user_log_path

    path = user_log_path("flowreasoner", ensure_exists=True) / "errors.log"
    with path.open("a", encoding="utf-8") as log:
        log.write("".join(traceback.format_exception(error)) + "\n")
    return f"internal error ({type(error).__name__}); this is a bug of ours, details are in {path}"


def say(sentence: str) -> None:
    """One line on standard error, safe to print whatever it quotes."""
    from tui.safe import one_line

    text = one_line(sentence, 2000)
    sys.stderr.write(f"flowreasoner: {text}\n")
