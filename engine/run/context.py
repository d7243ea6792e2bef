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
from sandbox.types import Sandbox, SandboxError

Stage = Literal["search", "final"]


@dataclass(frozen=True)
class Origin:
    """Where a run comes from.

    `experiment` names the experiment, `trial` its place there (the same on every attempt), `stage` whether
    a variant's search asked for it or it counts. `parent` is the run it was forked from, `forked_at` the
    step of that run at which the fork leaves it.
    """

    experiment: str | None = None
    trial: str | None = None
    stage: Stage | None = None
    parent: str | None = None
    forked_at: str | None = None

    def to_json(self) -> dict[str, str]:
        """Only what is set."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True)
class RunConfig:
    """Options of one run.

    `rounds` l = 10 and `repeats` = 3 executions per workflow are the FlowReasoner paper's (Section 5
    and Appendix A). `stop_early` ends the search once a workflow passes all of `val` in every repeat.
    `options` are the variant's own, by name; `engine.variants.options_of` checks them.
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

    def to_json(self) -> dict[str, Any]:
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
        } | ({"options": dict(self.options)} if self.options else {})


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
        """The sandbox of an image. Raises SandboxError where it cannot be had."""
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
