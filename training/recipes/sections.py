"""The parts that recipes are made of. A field's docstring is its description in forms and in files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


@dataclass(frozen=True)
class About:
    """What else is known about a field: its unit, and where its default comes from."""

    unit: str = ""
    source: str = ""


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """Values of one subject; unknown names and wrong types are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, validate_default=True
    )

    @classmethod
    def in_order(cls) -> list[str]:
        """The names of the fields in the order in which forms and files have them."""
        return list(cls.model_fields)


class Model(Section):
    """What is trained."""

    base: Annotated[str, Field(min_length=1)] = "pocket-meta"
    """The model to start from: `pocket-meta`, `hf:FOLDER`, `hf:ID` or `job:ID[@STEP]`."""
    weights: Literal["float32", "bfloat16"] = "float32"
    """The type weights are held and saved in. bfloat16 for a base that only an adapter is trained on."""
    attention: Literal["eager", "sdpa", "flash_attention_2"] = "sdpa"
    """The attention kernel. On a CPU the backward pass of `eager` is about twice as fast as `sdpa`'s."""
    checkpointing: bool = True
    """Recompute activations in the backward pass: about a third slower, much less memory."""
    chat_template: str | None = None
    """A Jinja file to use as the chat template, for a tokenizer that has none."""
    pad_token: str | None = None
    """The token to pad with, for a tokenizer that has none."""


class LoRA(Section):
    """Low-rank adapters in place of training all weights (Hu et al., 2021)."""

    enabled: bool = False
    """Train adapters only. Checkpoints hold the merged weights, and the adapter for resuming."""
    rank: Count = 8
    """Rank of the adapters."""
    alpha: Count = 16
    """Adapters are scaled by alpha / rank."""
    dropout: Share = 0.05
    """Dropout before the adapters."""
    targets: Annotated[list[str], Field(min_length=1)] = ["all-linear"]
    """Names of the layers to adapt, such as `q_proj`; `all-linear` for every linear layer but the last."""


class Optimizer(Section):
    """AdamW and its schedule."""

    learning_rate: Positive = 1e-5
    """Peak learning rate."""
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    """What the learning rate does after warm-up."""
    warm_up: Share = 0.05
    """Part of all steps during which the learning rate rises to its peak, in equal parts from the first."""
    weight_decay: NotNegative = 0.0
    """Decoupled weight decay."""
    max_grad_norm: NotNegative = 1.0
    """The gradient's norm is clipped to this; 0 clips nothing."""


class Batch(Section):
    """How many rows one optimiser step sees."""

    rows: Annotated[Count, About("rows")] = 16
    """Rows of one step, over all devices."""
    rows_at_once: Annotated[Count, About("rows")] = 1
    """Rows of one forward pass on one device. Halve this first where memory runs out."""


class DataSet(Section):
    """The data set."""

    path: str = ""
    """Folder of the data set; `flowreasoner train --data` sets it."""


class Data(DataSet):
    """The data set of a language model."""

    max_length: Annotated[Count, About("tokens")] = 8192
    """The longest row, prompt and reply together. A longer one is refused, never cut."""


class Checkpoints(Section):
    """What is kept, and when it is written."""

    every: Annotated[Count, About("steps")] = 100
    """Write a checkpoint each time this many steps are done; one more is written at the end."""
    keep: Count = 3
    """The newest ones to keep. The best one is kept as well."""


class Hardware(Section):
    """Where it runs."""

    device: Literal["cpu", "cuda"] = "cuda"
    """What computes."""
    processes: Count = 1
    """Training processes, one a GPU."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """The type matrix products are computed in."""
    sharding: Literal["none", "fsdp2", "zero3"] = "none"
    """How weights, gradients and optimiser state are divided over GPUs; `none` copies them to each."""

    @model_validator(mode="after")
    def _sharding_has_parts(self) -> Hardware:
        if self.sharding != "none" and (self.processes == 1 or self.device == "cpu"):
            raise ValueError(
                f"sharding {self.sharding!r} divides over several GPUs: set processes, or 'none'"
            )
        return self


class Alerts(Section):
    """When a step's numbers become an event. The run goes on, except at NaN."""

    disk_free: Annotated[NotNegative, About("GB")] = 5.0
    """Less free disk than this in the run's folder."""
    entropy_min: Annotated[NotNegative, About("nats a token")] = 0.01
    """The policy's mean entropy falls below this: it has stopped to explore."""
    entropy_max: Annotated[Positive, About("nats a token")] = 4.0
    """The policy's mean entropy rises above this: it falls apart."""
    kl_max: Annotated[Positive, About("nats a token")] = 1.0
    """The divergence from the base rises above this."""
    reward_std_min: Annotated[NotNegative, About("reward")] = 0.01
    """The mean standard deviation of a group's rewards falls below this: candidates are all alike."""
    valid_drop: Share = 0.2
    """The share of replies that can run falls this far below its best so far."""
