"""What one run works with: its problem, options, models, sandbox, events and ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from engine.forks import Fork
from engine.models.base import ChatModel, Sampling
from engine.operators.sets import PAPER
from engine.operators.specs import OperatorSet
from engine.problems import Problem
from engine.run.control import Control
from engine.run.emitter import Emitter
from engine.run.gateway import Gateway
from engine.run.ledger import Budget, Ledger
from engine.run.limits import ExecutionLimits
from sandbox.types import Sandbox, SandboxError

Stage = Literal["search", "final"]


@dataclass(frozen=True)
class Origin:
    """Where a run comes from.

    `experiment` names the experiment and `trial` its place there, which is the same on every attempt. `stage`
    is "search" for a run that a variant's search asked for and "final" for one that counts. `parent` is the
    run it was forked from, `forked_at` the step of that run at which the fork leaves it. The parent of an
    attempt at a trial is the unfinished attempt that it goes on from.

    A rollout names its training `job`, the `step` (optimiser steps done before it, from 0), the `group` of
    rollouts it is compared with, and `candidate`, its number in that group, from 0.
    """

    experiment: str | None = None
    trial: str | None = None
    stage: Stage | None = None
    parent: str | None = None
    forked_at: str | None = None
    job: str | None = None
    step: int | None = None
    group: str | None = None
    candidate: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Only what is set."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True)
class RunConfig:
    """Options of one run.

    `rounds` l = 10 and `repeats` = 3 executions per workflow are the FlowReasoner paper's (Section 5
    and Appendix A). `stop_early` ends the search once a workflow passes all of `val` in every repeat.
    `options` are the variant's own, by name; `engine.variants.options_of` checks them.

    The rest is for runs that train: `final` False leaves out the scoring on `test`, `deltas` False the events
    of streamed text. Where `worker_seed` is set, workers draw from it and not from `seed`: runs whose
    meta-agents drew different workflows then carry them out with the same random numbers. `execution_limits`
    end one execution; `budget` ends the run.
    """

    variant: str = "flowreasoner"
    rounds: int = 10
    repeats: int = 3
    seed: int = 0
    stop_early: bool = True
    make_tests: bool = False
    operators: OperatorSet = PAPER
    meta_sampling: Sampling = field(default_factory=Sampling)
    worker_sampling: Sampling = field(default_factory=Sampling)
    budget: Budget = field(default_factory=Budget)
    options: Mapping[str, Any] = field(default_factory=dict)
    final: bool = True
    deltas: bool = True
    worker_seed: int | None = None
    execution_limits: ExecutionLimits = field(default_factory=ExecutionLimits)

    @property
    def draws_from(self) -> int:
        """The seed of everything that workers draw."""
        return self.seed if self.worker_seed is None else self.worker_seed

    def to_json(self) -> dict[str, Any]:
        """The options as a run's record holds them; options of training only where they are set."""
        return {
            "rounds": self.rounds,
            "repeats": self.repeats,
            "seed": self.seed,
            "stop_early": self.stop_early,
            "make_tests": self.make_tests,
            "operators": self.operators.name,
            "meta_sampling": self.meta_sampling.to_json(),
            "worker_sampling": self.worker_sampling.to_json(),
            "budget": asdict(self.budget),
            # A set of the user's is recorded whole: its files may change, or go.
            **({"operator_set": self.operators.to_json()} if self.operators.own else {}),
            **({"options": dict(self.options)} if self.options else {}),
            **self._of_training(),
        }

    def _of_training(self) -> dict[str, Any]:
        """Only what is set, so that other runs' options stay the same as those of earlier versions."""
        limits = {k: v for k, v in asdict(self.execution_limits).items() if v is not None}
        return {
            **({} if self.final else {"final": False}),
            **({} if self.worker_seed is None else {"worker_seed": self.worker_seed}),
            **({"execution_limits": limits} if limits else {}),
        }


@dataclass(frozen=True)
class Services:
    """What runs share: opened once, used by many. `sandbox` is the one workflows run in, of the image
    `core`; `open_image` opens that of another image when a problem needs it.
    """

    meta_agent: ChatModel
    worker: ChatModel
    sandbox: Sandbox
    open_image: Callable[[str], Awaitable[Sandbox]] | None = None

    async def sandbox_for(self, image: str) -> Sandbox:
        """The sandbox of an image. Raises SandboxError where only `core` is open or the image cannot be
        used.
        """
        if image == "core":
            return self.sandbox
        if self.open_image is None:
            raise SandboxError(
                "image-missing", f"this needs the {image} sandbox image, and only core is open"
            )
        return await self.open_image(image)


@dataclass
class RunContext:
    """One run in progress. `problem` is replaced when a worker writes its tests.

    `found` is what the variant's search found for the task, where it has one (`engine.variants`). `fork`
    holds what the run serves from another one's record.
    """

    problem: Problem
    config: RunConfig
    services: Services
    emitter: Emitter
    ledger: Ledger
    gateway: Gateway
    control: Control
    found: Mapping[str, Any] | None = None
    fork: Fork = field(default_factory=Fork)

    async def sandbox_for(self, image: str) -> Sandbox:
        """As `Services.sandbox_for`; what it takes to make one is not the run's own time."""
        with self.ledger.clock.waiting():
            return await self.services.sandbox_for(image)
