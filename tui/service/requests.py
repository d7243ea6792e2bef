"""What can be asked of the workbench: a run, of one of five kinds, and an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.problems import Problem

if TYPE_CHECKING:
    from engine.workflows import Workflow

DEFAULT_ROUNDS = 10  # the FlowReasoner paper's l
DEFAULT_CONCURRENCY = 8
DEFAULT_TRIES = 5  # of a flip, on each side


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A variant on a problem, from nothing: what the new-run form edits.

    `operators` is a set's name, the path of the user's own FILE.toml, or "auto" for the variant's own;
    `found` names the experiment whose search the variant is to use; `breakpoints`, here and below, are as a
    user writes them (`engine.run.control.breakpoints`).
    """

    problem: Problem
    variant: str
    meta_agent: str
    worker: str
    rounds: int = DEFAULT_ROUNDS
    seed: int = 0
    repeats: int = 3
    stop_early: bool = True
    make_tests: bool = False
    operators: str = "auto"
    found: str | None = None
    breakpoints: Sequence[str] = ()

    @property
    def title(self) -> str:
        """What a screen calls the run until it has begun."""
        return self.problem.id


@dataclass(frozen=True, kw_only=True)
class NewFork:
    """A run of the store run again with something changed; everything that is None is as it was there.

    `at` is a step's id; `inputs` are all of its arguments, `prompt` the user's message of its first model
    call; `everywhere` changes every step with its operator and inputs. `worker` answers from that step on;
    `workflow` is (code, prompts) of the workflow to run in place of the parent's.
    """

    parent: str
    at: str | None = None
    inputs: dict[str, Any] | None = None
    prompt: str | None = None
    everywhere: bool = False
    worker: str | None = None
    workflow: tuple[str, str] | None = None
    breakpoints: Sequence[str] = ()

    @property
    def title(self) -> str:
        """What a screen calls the run until it has begun."""
        return f"fork of {self.parent}"


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """A run of the store done once more: same problem, variant, options, models and seed."""

    run: str
    breakpoints: Sequence[str] = ()

    @property
    def title(self) -> str:
        """What a screen calls the run until it has begun."""
        return f"rerun of {self.run}"


@dataclass(frozen=True, kw_only=True)
class NewGrid:
    """A playground's grid; `plan` is the JSON form of an `engine.playground.plan.GridPlan`."""

    plan: dict[str, Any]
    breakpoints: Sequence[str] = ()

    @property
    def title(self) -> str:
        """What a screen calls the run until it has begun."""
        return f"playground of {self.plan.get('run', '')}"


@dataclass(frozen=True, kw_only=True)
class GivenWorkflow:
    """A user's own workflow on a problem. It has no breakpoints: nothing but the command line asks for it."""

    workflow: Workflow
    problem: Problem
    meta_agent: str
    worker: str
    operators: str
    seed: int = 0
    repeats: int = 3
    make_tests: bool = False


RunRequest = NewRun | NewFork | Rerun | NewGrid


@dataclass(frozen=True, kw_only=True)
class NewExperiment:
    """Variants on the problems of a benchmark.

    What is None or empty comes from the settings, or is the plan's default.
    """

    benchmark: str
    variants: Sequence[str] = ()
    name: str | None = None
    limit: int | None = None
    search_limit: int | None = None
    split: str | None = None
    repeats: int | None = None
    executions: int | None = None
    seed: int | None = None
    data: Path | None = None
    meta_agent: str | None = None
    worker: str | None = None
    found: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resume:
    """An experiment of the store, continued; with `retry`, the trials of these statuses or ids are redone.

    `benchmark` is what the user thinks it is on: another one is an error.
    """

    name: str
    benchmark: str | None = None
    retry: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class TryFlips:
    """The problems on which variants of an experiment came out differently, tried again with other seeds.

    `variants` are labels, the baseline first; none are all of the experiment's.
    """

    of: str
    variants: Sequence[str] = ()
    repeats: int = DEFAULT_TRIES


ExperimentRequest = NewExperiment | Resume | TryFlips


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where an experiment's trials run, how many at once, and for how many US dollars (None: no limit).

    `on` is "local", "ray" or "ray://HOST:PORT"; where it is "local", so many `processes` carry trials out.
    """

    on: str = "local"
    concurrency: int = DEFAULT_CONCURRENCY
    budget_usd: float | None = None
    processes: int = 1
