"""Variants: named ways to get from a problem to an answer.

A variant is `async def solve(context) -> Result`. The parts it uses emit everything it does as events, so it
never yields events itself and concurrent work needs no merging. A variant that looks for something to use on
every problem of a task (a workflow, a controller) also has a `search`, which an experiment runs once, before
it solves anything.

Besides the variants of this package there are users' own: files, named by their path, and those of installed
packages under the entry point group `flowreasoner.variants`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from engine.operators.sets import PAPER
from engine.problems import Kind
from engine.run.context import RunConfig, RunContext
from engine.search import SearchContext
from sandbox.errors import UsageError


@dataclass(frozen=True)
class Result:
    """The result of a run. `score` is the final score and `val_score` that of the search, both in [0, 1] or
    None where nothing was scored. `error` says why there is no answer.
    """

    score: float | None
    val_score: float | None
    answer: str | None
    workflow_id: str | None
    error: str | None = None


class Options(BaseModel):
    """A variant's own options. Each field has the default of the paper or its release, and a
    description that says which.

    `presets` are named settings. A variant that has some declares a field `preset`, whose value's settings
    hold for every option that is not given itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        chosen = values.get("preset")
        return {**cls.presets.get(chosen if isinstance(chosen, str) else "", {}), **values}


Solve = Callable[[RunContext], Awaitable[Result]]
# The result of a search is JSON-ready; `solve` gets it as `context.found`.
Search = Callable[[SearchContext], Awaitable[dict[str, Any]]]
# (calls of the meta-agent, calls of the worker) at most; None where the budget is the only bound.
MostCalls = Callable[[RunConfig], tuple[int | None, int | None]]


@dataclass(frozen=True)
class Variant:
    """A variant, as its module declares it in `VARIANT`.

    `most_calls` gives an upper bound of the model calls of one `solve`, for estimates; `operators` names the
    operator set that the system uses for a kind of problem. `needs_problems` says whether the search can only
    be carried out on problems of the task, `alone` whether `solve` can do without what it finds, `embedded`
    whether the embedded meta-agent can write what this variant asks for. `check` raises OptionError where
    something that the options name is not there; like the others it is asked before anything starts.
    """

    solve: Solve
    options: type[Options] = Options
    search: Search | None = None
    most_calls: MostCalls | None = None
    operators: Callable[[Kind], str] = lambda kind: PAPER.name
    needs_problems: Callable[[RunConfig], bool] = lambda config: True
    alone: bool = True
    embedded: bool = True
    check: Callable[[RunConfig], None] = lambda config: None


# Name → (module with `VARIANT`, what it does)
VARIANTS: dict[str, tuple[str, str]] = {
    "adas": ("engine.variants.adas", "ADAS: an archive of agents that the meta-agent adds to"),
    "aflow": ("engine.variants.aflow", "AFlow: a tree search over workflows for the whole task"),
    "flowreasoner": (
        "engine.variants.flowreasoner",
        "the meta-agent writes a workflow for the query, round by round, with execution feedback",
    ),
    "maas": ("engine.variants.maas", "MaAS: a trained controller picks the operators a query needs"),
    "scoreflow": (
        "engine.variants.scoreflow",
        "ScoreFlow: one workflow for each problem, and preference pairs to train the generator",
    ),
    "vanilla": ("engine.variants.vanilla", "one worker call with the default prompt"),
    "self-refine": ("engine.variants.self_refine", "an answer, then feedback and refinement in turn"),
    "llm-debate": ("engine.variants.llm_debate", "agents read each other's answers and answer again"),
    "llm-blender": ("engine.variants.llm_blender", "candidates are compared in pairs and the best are fused"),
    "metaflow": (
        "engine.variants.metaflow",
        "MetaFlow: one workflow for the task, from its description",
    ),
    "top-k": ("engine.variants.top_k", "a few workflows that together solve most of the task, tried in turn"),
    "w4s": (
        "engine.variants.w4s",
        "W4S: a conversation in which a weak meta-agent improves a workflow by its score",
    ),
    "flowsteer": (
        "engine.variants.flowsteer",
        "FlowSteer: a workflow is built on a canvas, one edit a turn, with execution feedback",
    ),
    "autoagents": ("engine.variants.autoagents", "a team of roles is drafted and carries out a drafted plan"),
}

# Published settings of a variant, as they are written → what they are.
PRESETS: dict[str, str] = {
    "flowreasoner,preset=paper": "the loop as far as the paper tells: AFlow's choice of rounds",
    "flowreasoner,preset=release": "the loop of the release: from AFlow's first workflow, by scores",
}


class UnknownVariantError(UsageError):
    """There is no variant of that name, or its file or package cannot be used; the message says which."""


class OptionError(UsageError):
    """An option that a variant does not have, or a value that it does not accept; the message names the
    options.
    """


def load_variant(name: str) -> Variant:
    """The variant of this name, or in the file of this path. Raises UnknownVariantError where there is none,
    or it cannot be imported.
    """
    if name in VARIANTS:
        return import_module(VARIANTS[name][0]).VARIANT
    from engine.variants.own import from_entry_point, from_file, installed

    if name.endswith(".py"):
        return from_file(name)
    others = installed()
    if name in others:
        return from_entry_point(others[name])
    names = [*VARIANTS, *others]
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}, or give a FILE.py"
    raise UnknownVariantError(f"there is no variant {name!r}; {hint}")


O = TypeVar("O", bound=Options)  # noqa: E741


def options_of(model: type[O], values: Mapping[str, Any]) -> O:
    """A variant's options: its defaults, replaced by `values`; texts are read as their field's type.

    Raises OptionError where there is no such option, or its value is not accepted.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        known = ", ".join(model.model_fields) or "none"
        raise OptionError(f"option {name}: {first['msg'].lower()}; the options are {known}") from None
