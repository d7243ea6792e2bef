"""Keeping a good edit: the workflow with its prompts changed, as files that run."""

from __future__ import annotations

from pathlib import Path

from engine.playground.sources import rewritten
from engine.playground.step import PlayedStep, PlaygroundError
from engine.workflows import Workflow, build_workflow
from engine.workflows.choice import build_for_its_set

_VARIANT = '''"""{title}"""

from pathlib import Path

from engine.variants.manual import workflow_files

VARIANT = workflow_files(Path(__file__).parent{operators})
'''


def edited_workflow(played: PlayedStep, edited: str) -> Workflow:
    """The step's workflow with the prompts of an edited template.

    Raises TemplateError where the edit is not one of the workflow's prompts, PlaygroundError where there is
    no workflow or it no longer runs.
    """
    proposal, operators = played.proposal, played.operators
    changes = played.template.edits(edited)
    if proposal is None or operators is None:
        raise PlaygroundError(
            f"the workflow of {played.record.place(played.step)} is not read as it was: "
            "promote the edit to a fork"
        )
    texts = {"code": proposal.code, "prompts": proposal.prompts}
    for where, text in texts.items():
        here = {source: parts for source, parts in changes.items() if source.where == where}
        texts[where] = rewritten(text, here)
    built = build_workflow(texts["code"], texts["prompts"], operators)
    if not isinstance(built, Workflow):
        first = next((d for d in built.diagnostics if d.severity == "error"), built.diagnostics[0])
        raise PlaygroundError(f"the workflow no longer runs with this prompt: {first.message}; {first.fix}")
    return built


def save_variant(played: PlayedStep, edited: str, folder: Path) -> list[Path]:
    """Write the edited workflow into a new or empty folder; returns the paths of the files.

    `graph.py` and `prompt.py` are for `run-workflow`; `variant.py` can be named as a variant by its path.

    Raises TemplateError and PlaygroundError as `edited_workflow`, and PlaygroundError where the folder is not
    empty or cannot be written.
    """
    workflow = edited_workflow(played, edited)
    changed = ", ".join(sorted({s.name for s in played.template.edits(edited)}))
    title = f"The workflow of run {played.record.run_id}, with {changed} edited in the playground."
    fits = build_for_its_set(workflow.code, workflow.prompts).operators.name == workflow.operators.name
    operators = "" if fits or workflow.operators.own else f', operators="{workflow.operators.name}"'
    texts = {
        "graph.py": workflow.code,
        "prompt.py": workflow.prompts,
        "variant.py": _VARIANT.format(title=title, operators=operators),
    }
    try:
        if folder.exists() and any(folder.iterdir()):
            raise PlaygroundError(f"{folder} is not empty; name a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(f"{text.rstrip()}\n", encoding="utf-8")
    except OSError as error:
        raise PlaygroundError(f"{folder}: {error.strerror or error}; name a folder you may write") from None
    return [folder / name for name in texts]
