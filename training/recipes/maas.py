"""The recipe of MaAS's controller, which is no language model."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from training.recipes.kinds import Limits, Recipe
from training.recipes.sections import About, Count, DataSet, Hardware, NotNegative, Positive, Section


class Problems(DataSet):
    """The problems that the controller tries, all of one kind."""

    reported: list[str] = Field(default_factory=list)
    """Benchmarks that are reported on, or parts of them, as in `humaneval:flowreasoner/test`: a problem of
    theirs in the data set stops the run before it begins."""


class Controller(Section):
    """The supernet and its controller (Zhang et al., 2025, Section 4)."""

    layers: Annotated[Count, About("layers", "paper and release: 4")] = 4
    """Layers of the supernet."""
    hidden: Annotated[Count, About(source="release: 32")] = 32
    """Width in which queries and operators are compared."""
    threshold: Annotated[float, Field(gt=0, le=1), About(source="paper: 0.3")] = 0.3
    """Probability that a layer's operators add up to."""
    encoder: Annotated[str, Field(min_length=1), About(source="release: all-MiniLM-L6-v2")] = "hash"
    """Sentence encoder: `hash`, which is ours and needs no download, or a model's folder or name."""
    cost_weight: Annotated[NotNegative, About("1 / USD", "release: 3; paper: 0.001 to 0.01")] = 3.0
    """Weight of a US dollar against a score of 1."""
    learning_rate: Annotated[Positive, About(source="paper and release: 0.01")] = 0.01
    """Adam's learning rate."""


class MaASRecipe(Recipe):
    """MaAS's controller: which operators a query needs, by the policy gradient of Zhang et al., 2025."""

    kind: Literal["maas"] = "maas"  # pyright: ignore[reportIncompatibleVariableOverride]
    """MaAS's controller."""
    repetitions: Annotated[Count, About("passes over the data", "paper and release: 4")] = 4
    """Passes over the problems."""
    batch: Annotated[Count, About("problems", "release: 4")] = 4
    """Problems of one step."""
    worker: Annotated[str, Field(min_length=1)] = "pocket-worker"
    """The model that operators call."""
    data: Problems = Problems()  # pyright: ignore[reportIncompatibleVariableOverride]
    """The problems."""
    controller: Controller = Controller()
    """The controller."""
    limits: Limits = Limits()
    """What one execution may use."""
    hardware: Hardware = Hardware(device="cpu", precision="float32")
    """Where it runs: one process, which is small enough for a CPU."""

    @model_validator(mode="after")
    def _runs_on_a_cpu(self) -> Self:
        if self.hardware.device != "cpu" or self.hardware.processes != 1:
            raise ValueError("a controller is trained by one process on a CPU: set hardware.device = 'cpu'")
        return self
