"""MaAS's controller: for a query, which operators to run in each of several layers.

Multi-agent Architecture Search via Agentic Supernet (Zhang et al., 2025; arXiv 2502.04180), Section 4, and
its release (`MultiLayerController`). Torch is imported only when a controller is made.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from engine.json_objects import read_object
from engine.search import SearchError
from engine.variants.maas_encoders import MISSING_TORCH

if TYPE_CHECKING:
    from torch import Tensor

EARLY_STOP = "EarlyStop"
GENERATE = "Generate"
STOP_PENALTY = -1.5  # the release's, added to the log-probability of stopping in the first layer


@dataclass(frozen=True)
class Architecture:
    """The operators of each layer, by name. `penalised` says that the first layer drew EarlyStop."""

    layers: tuple[tuple[str, ...], ...]
    penalised: bool = False

    def to_json(self) -> dict[str, Any]:
        """All fields by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Architecture:
        """The inverse of `to_json`. Raises ValueError where `data` is not an architecture."""
        return read_object(cls, data, "the architecture")

    def __str__(self) -> str:
        return " → ".join(" + ".join(layer) for layer in self.layers)


def draw(probabilities: Sequence[float], threshold: float, random: Random) -> list[int]:
    """Indices drawn without replacement, each in proportion to its probability among those left, until
    the probabilities of the drawn sum to `threshold` or none is left.
    """
    left, drawn, total = list(range(len(probabilities))), [], 0.0
    while left and total < threshold:
        index = random.choices(left, weights=[probabilities[i] for i in left])[0]
        left.remove(index)
        drawn.append(index)
        total += probabilities[index]
    return drawn


def first_layer(drawn: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """The release's rules for the first layer: (its operators, whether it is penalised).

    EarlyStop becomes Generate, penalised; without a generator Generate takes the layer; else the first
    generator drawn moves to the front.
    """
    if EARLY_STOP in drawn:
        return (GENERATE,), True
    generators = [name for name in drawn if GENERATE in name]
    if not generators:
        return (GENERATE,), False
    rest = list(drawn)
    rest.remove(generators[0])
    return (generators[0], *rest), False


class Controller:
    """The networks of all layers. `embeddings` are the vectors of the operators to choose from, by name."""

    def __init__(
        self, embeddings: Mapping[str, Sequence[float]], *, layers: int = 4, hidden: int = 32, seed: int = 0
    ) -> None:
        """The weights are drawn as torch's Linear draws them, from `seed` alone. Raises SearchError
        without torch.
        """
        torch = _torch()
        self.names = tuple(embeddings)
        self._operators = torch.tensor([list(embeddings[n]) for n in self.names], dtype=torch.float32)
        self._layers, width = layers, self._operators.shape[1]
        generator = torch.Generator().manual_seed(seed)
        self.weights: dict[str, Tensor] = {}
        for layer in range(layers):
            for part, inputs in (("operator", width if layer == 0 else 2 * width), ("query", width)):
                bound = 1 / math.sqrt(inputs)
                for name, shape in (("weight", (hidden, inputs)), ("bias", (hidden,))):
                    values = torch.empty(shape).uniform_(-bound, bound, generator=generator)
                    self.weights[f"{layer}.{part}.{name}"] = values.requires_grad_()

    def log_probs(self, layer: int, query: Tensor, previous: str | None) -> Tensor:
        """log softmax over the operators of cos(W_q q, W_o o), a tensor with a number for each operator.

        After the first layer, o is an operator's vector followed by that of `previous`, the first operator of
        the layer before.
        """
        functional = _torch().nn.functional
        w = self.weights
        operators = self._operators
        if previous is not None:
            before = operators[self.names.index(previous)].expand_as(operators)
            operators = _torch().cat([operators, before], dim=1)
        o = functional.linear(operators, w[f"{layer}.operator.weight"], w[f"{layer}.operator.bias"])
        q = functional.linear(query, w[f"{layer}.query.weight"], w[f"{layer}.query.bias"])
        scores = functional.normalize(o, dim=1) @ functional.normalize(q, dim=0)
        return functional.log_softmax(scores, dim=0)

    def sample(self, query: Sequence[float], *, threshold: float, seed: int) -> Architecture:
        """An architecture for a query. The same weights and seed give the same one."""
        torch, random = _torch(), Random(seed)
        vector, layers, penalised = torch.tensor(list(query)), [], False
        for layer in range(self._layers):
            with torch.no_grad():
                logs = self.log_probs(layer, vector, layers[-1][0] if layers else None)
            drawn = tuple(self.names[i] for i in draw(logs.exp().tolist(), threshold, random))
            if layer == 0:
                drawn, penalised = first_layer(drawn)
            layers.append(drawn)
            if penalised or EARLY_STOP in drawn:
                break
        return Architecture(tuple(layers), penalised)

    def log_prob(self, query: Sequence[float], architecture: Architecture) -> Tensor:
        """The log-probability of an architecture, differentiable: the sum over layers of the sum over its
        operators of their log-probabilities, and the penalty.
        """
        vector, total = _torch().tensor(list(query)), _torch().zeros(())
        for layer, chosen in enumerate(architecture.layers):
            previous = architecture.layers[layer - 1][0] if layer else None
            logs = self.log_probs(layer, vector, previous)
            total = total + logs[[self.names.index(name) for name in chosen]].sum()
        return total + STOP_PENALTY if architecture.penalised else total

    def optimizer(self, lr: float) -> Any:
        """Adam over all weights."""
        return _torch().optim.Adam(list(self.weights.values()), lr=lr)

    def dump(self) -> str:
        """The weights, as safetensors in base64."""
        from safetensors.torch import save

        return base64.b64encode(save({k: v.detach() for k, v in self.weights.items()})).decode()

    def load(self, text: str) -> None:
        """Take over the weights of `dump`. Raises SearchError where they are damaged or have other shapes."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            weights = load(base64.b64decode(text, validate=True))
        except (SafetensorError, binascii.Error, ValueError) as error:
            raise SearchError(f"the controller's weights are damaged ({error}); search again") from None
        if not self.take(weights):
            raise SearchError("the controller's weights are of other layers or operators; search again")

    def take(self, weights: Mapping[str, Tensor]) -> bool:
        """Use these weights; False, and nothing is changed, where they are of other shapes."""
        shapes = {k: v.shape for k, v in weights.items()}
        if shapes != {k: v.shape for k, v in self.weights.items()}:
            return False
        # In the order they had: an optimizer's state is by place.
        self.weights = {k: weights[k].requires_grad_() for k in self.weights}
        return True


def policy_loss(log_probs: Sequence[Tensor], utilities: Sequence[float]) -> Tensor:
    """REINFORCE: L = -mean_k log p(G_k | q_k) * U_k, with U_k from `utility`. Raises ValueError if empty."""
    if not log_probs:
        raise ValueError("there is nothing to learn from")
    torch = _torch()
    return -(torch.stack(list(log_probs)) * torch.tensor(list(utilities))).mean()


def utility(score: float, cost_usd: float | None, cost_weight: float) -> float:
    """U = score - cost_weight * cost: the paper's utility minus lambda times cost, the release with 3.

    `score` is in [0, 1]; the cost is that of one run in US dollars, and an unknown cost counts as 0.
    """
    return score - cost_weight * (cost_usd or 0.0)


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise SearchError(MISSING_TORCH) from None
    return torch
