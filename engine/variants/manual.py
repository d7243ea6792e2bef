"""Variants that are workflow files: written by hand, run and shown like generated ones.

`files/NAME/KIND/` holds `graph.py` and `prompt.py`, which is AFlow's layout. Everything that depends on the
run (the kind of problem, the variant's options) is put before the prompts as constants, so that a stored
workflow is complete and its id depends on the options.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from engine.operators.sets import MANUAL, SETS
from engine.problems import Kind
from engine.run.context import RunConfig, RunContext
from engine.variants import Options, Result, Variant, options_of
from engine.variants.final import finish
from engine.variants.proposal import emit_proposal
from engine.workflows import Rejected, Workflow, build_workflow
from engine.workflows.choice import build_for_its_set

# How an answer in prose has to end, so that it can be compared with a reference.
_FORMS: dict[Kind, str] = {
    "qa": "End with the answer alone, as short as it can be, inside <answer></answer>.",
    "math": "End with the result inside \\boxed{}.",
    "open": "Reply with the answer alone.",
}


O = TypeVar("O", bound=Options)  # noqa: E741


def manual(name: str, options: type[O], calls: Callable[[O], int | None]) -> Variant:
    """The variant whose workflows are in `files/NAME/`: `code`, `text`, and `open` where it differs.

    `calls` gives an upper bound of the worker's calls in one execution; None where only the budget limits
    them.
    """

    def most_calls(config: RunConfig) -> tuple[int, int | None]:
        most = calls(options_of(options, config.options))
        return 0, None if most is None else most * config.repeats

    async def solve(context: RunContext) -> Result:
        workflow = manual_workflow(name, context.problem.kind, options_of(options, context.config.options))
        emit_proposal(context, workflow, round_number=1)
        return await finish(context, workflow, round_number=1, val_score=None)

    return Variant(solve, options, most_calls=most_calls)


def workflow_files(folder: Path, operators: str | None = None) -> Variant:
    """The variant that runs `graph.py` and `prompt.py` of a folder, in any format of `engine.formats`.

    `operators` names the set that they call; by default it is the first that fits. Where the run's set is a
    user's own, that is used. Files that cannot be read or cannot run are the run's error, and nothing is
    raised.
    """

    async def solve(context: RunContext) -> Result:
        try:
            code, prompt = (folder / "graph.py").read_text(encoding="utf-8"), folder / "prompt.py"
            prompts = prompt.read_text(encoding="utf-8") if prompt.is_file() else ""
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            return Result(None, None, None, None, f"{folder}: {why}; its graph.py cannot be read")
        chosen = context.config.operators if context.config.operators.own else SETS.get(operators or "")
        built = build_workflow(code, prompts, chosen) if chosen else build_for_its_set(code, prompts)
        if isinstance(built, Rejected):
            first = next((d for d in built.diagnostics if d.severity == "error"), built.diagnostics[0])
            return Result(None, None, None, None, f"{folder / 'graph.py'}: {first.message}; {first.fix}")
        emit_proposal(context, built, round_number=1)
        return await finish(context, built, round_number=1, val_score=None)

    return Variant(solve)


def manual_workflow(name: str, kind: Kind, options: Options) -> Workflow:
    """The workflow of `files/NAME/` for problems of a kind, with the options in its prompts."""
    folder = files("engine.variants") / "files" / name
    folder = next(f for k in (kind, "text") if (f := folder / k).is_dir())
    code = (folder / "graph.py").read_text(encoding="utf-8")
    prompt = folder / "prompt.py"
    prompts = prompt.read_text(encoding="utf-8") if prompt.is_file() else ""
    workflow = build_workflow(code, _constants(kind, options) + prompts, MANUAL)
    assert isinstance(workflow, Workflow), workflow  # a file of ours
    return workflow


def _constants(kind: Kind, options: Options) -> str:
    """The options as Python literals, in capitals, and for prose the kind and how an answer ends."""
    values = {key.upper(): value for key, value in options.model_dump().items()}
    if kind in _FORMS:
        values |= {"KIND": kind, "FORM": _FORMS[kind]}
    return "".join(f"{key} = {value!r}\n" for key, value in values.items()) + "\n"
