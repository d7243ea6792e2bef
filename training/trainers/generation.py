"""How a step's rollouts get the policy's tokens: from the weights in training, or from a server's copy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from training.rollouts.generators import Generator
from training.rollouts.meter import Meter
from training.rollouts.policy import Desk, Source
from training.rollouts.rollouts import GymThread, Request, Rollout
from training.rollouts.shared_gym import SharedGym
from training.trainers.served import ServedPolicy

Seconds = dict[str, float | None]  # of the step, by the names that progress has them under


class Generation(Protocol):
    """Carries out rollouts, whatever decodes their policy."""

    @property
    def source(self) -> Source:
        """Where the policy of a rollout asks."""
        ...

    @property
    def is_ahead(self) -> bool:
        """Whether a step's rollouts are to begin while the step before is trained on."""
        ...

    def update(self, step: int) -> Seconds:
        """Have rollouts sampled with the weights after `step` optimizer steps, if that is due.

        Collective. Raises ExpectedError.
        """
        ...

    def start(self, requests: Sequence[Request]) -> Future[list[Rollout]]:
        """Begin rollouts, which `finish` ends."""
        ...

    def finish(self, started: Future[list[Rollout]]) -> tuple[list[Rollout], Seconds]:
        """The rollouts in their order, once all have ended, and what this thread spent on that."""
        ...

    def confirm(self) -> None:
        """What the rollouts that have ended were told about their weights is true.

        Collective. Raises ExpectedError where it is not.
        """
        ...


@dataclass
class InProcess:
    """Rollouts wait at a desk until all do; then this thread decodes for them."""

    gym: GymThread | SharedGym
    generator: Generator
    meter: Meter
    at_once: int
    source: Desk
    is_ahead: bool = False

    def update(self, step: int) -> Seconds:
        """Nothing: the weights are the live ones."""
        return {}

    def start(self, requests: Sequence[Request]) -> Future[list[Rollout]]:
        """As `Generation.start`."""
        return self.gym.start(requests, self.at_once)

    def finish(self, started: Future[list[Rollout]]) -> tuple[list[Rollout], Seconds]:
        """As `Generation.finish`."""
        decoding = waiting = 0.0
        while True:
            began = time.perf_counter()
            asks = self.source.next_batch()
            waiting += time.perf_counter() - began
            if not asks:
                break
            began = time.perf_counter()
            with self.meter.policy():
                made = self.generator.generate([ask.prompt for ask in asks], [ask.sampling for ask in asks])
            decoding += time.perf_counter() - began
            self.source.answer(asks, made)
        began = time.perf_counter()
        rollouts = started.result()
        waiting += time.perf_counter() - began
        return rollouts, {"seconds_wait_generation": decoding, "seconds_execution": waiting}

    def confirm(self) -> None:
        """Nothing to confirm."""


@dataclass
class AtServer:
    """Each call goes to a server by itself; this thread waits for the rollouts."""

    gym: GymThread | SharedGym
    policy: ServedPolicy
    at_once: int
    is_ahead: bool

    @property
    def source(self) -> Source:
        """The server's door."""
        return self.policy.door

    def update(self, step: int) -> Seconds:
        """As `Generation.update`."""
        began = time.perf_counter()
        gap = self.policy.update(step)
        return {
            "seconds_weights": time.perf_counter() - began,
            **({} if gap is None else {"weights_gap": gap}),
        }

    def start(self, requests: Sequence[Request]) -> Future[list[Rollout]]:
        """As `Generation.start`."""
        return self.gym.start(requests, self.at_once)

    def finish(self, started: Future[list[Rollout]]) -> tuple[list[Rollout], Seconds]:
        """As `Generation.finish`. Time counts as generation while at least one call is at the server."""
        began, busy = time.perf_counter(), self.policy.door.gate.busy_s
        rollouts = started.result()
        waited = time.perf_counter() - began
        generation = min(self.policy.door.gate.busy_s - busy, waited)
        return rollouts, {
            "seconds_wait_generation": generation,
            "seconds_execution": waited - generation,
        }

    def confirm(self) -> None:
        """As `Generation.confirm`."""
        self.policy.confirm()
