"""What a MaAS graph (arXiv 2502.04180) is given: its operators by name, and a controller that was never
trained.

The stand-in chooses as MaAS's own controller does before training, when it has no preferences: up to four
layers, in each of them operators drawn without replacement until they hold a share of 0.3 of the probability,
a generating one first in the first layer, and an end at EarlyStop. Its draws follow from the execution's
seed.
"""

from __future__ import annotations

import math
import random
import types
from collections.abc import Sequence
from typing import Any

LAYERS = 4
THRESHOLD = 0.3
EARLY_STOP = "EarlyStop"
# The registries of the release, in their order; those that the operator set lacks are left out.
REGISTRY = (
    *("Generate", "GenerateCoT", "MultiGenerateCoT", "ScEnsemble"),
    *("Test", "Programmer", "SelfRefine", EARLY_STOP),
)


class LogProb(float):
    """A number with the two methods of a tensor that graphs call on it."""

    def item(self) -> float:
        """The number."""
        return float(self)

    def detach(self) -> LogProb:
        """Itself: there are no gradients."""
        return self


class Inert:
    """Stands in for an embedding or a module: it can be moved to a device, and nothing else."""

    def to(self, *_args: Any, **_kwargs: Any) -> Inert:
        """Itself: there are no devices."""
        return self


class Controller(Inert):
    """Samples operators uniformly."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def forward(
        self, _query: str, _embeddings: Any, names: Sequence[str], log_path: str | None = None
    ) -> tuple[list[LogProb], list[list[str]]]:
        """(log probability of each layer, operator names of each layer)."""
        logs: list[LogProb] = []
        layers: list[list[str]] = []
        for layer in range(LAYERS):
            chosen = self._draw(list(names))
            stop = EARLY_STOP in chosen
            if layer == 0:
                chosen = _starting_with_a_generator(chosen, stop)
            logs.append(LogProb(len(chosen) * -math.log(len(names))))
            layers.append(chosen)
            if stop:
                break
        return logs, layers

    __call__ = forward

    def _draw(self, names: list[str]) -> list[str]:
        enough = min(len(names), math.floor(THRESHOLD * len(names)) + 1)
        return self._random.sample(names, enough)


def _starting_with_a_generator(chosen: list[str], stop: bool) -> list[str]:
    generators = [name for name in chosen if "generate" in name.lower()]
    if stop or not generators:
        return ["Generate"]
    first = generators[0]
    return [first, *(name for name in chosen if name != first)]


def _torch() -> Any:
    """As much of torch as a graph uses around its controller."""
    torch = types.ModuleType("torch")
    cuda = types.SimpleNamespace(is_available=lambda: False)
    nn = types.SimpleNamespace(Module=object)
    members = {"device": lambda *_: "cpu", "cuda": cuda, "nn": nn, "Tensor": float, "tensor": LogProb}
    torch.__dict__.update(members)
    return torch


def _making(operator: Any) -> Any:
    """Stands in for an operator's class: whatever its arguments, it makes the same operator."""
    return lambda *_args, **_kwargs: operator


def provide(given: Any) -> None:
    """Add to `given` (`engine.guest.workflow.Given`) the operators by name, torch, and the controller."""
    names = [name for name in REGISTRY if name in given.by_class or name == EARLY_STOP]
    given.namespace |= {
        "torch": _torch(),
        "operator_names": names,
        "operator_mapping": {name: _making(given.by_class.get(name)) for name in names},
    }
    given.arguments |= {
        "controller": Controller(given.seed),
        "operator_embeddings": Inert(),
        "log_path": ".",
    }
