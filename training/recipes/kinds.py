"""The kinds of recipe for language models, and what every kind has."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from training.recipes.sections import (
    About,
    Alerts,
    Batch,
    Checkpoints,
    Count,
    Data,
    DataSet,
    Hardware,
    LoRA,
    Model,
    NotNegative,
    Optimizer,
    Positive,
    Section,
    Share,
)

_FIRST = ("kind", "model", "lora", "data")
_LAST = ("optimizer", "checkpoints", "hardware", "alerts", "seed")


class Recipe(Section):
    """What every kind has. `kind` says which one a file is."""

    kind: str
    """What is done."""
    seed: int = 0
    """Seed of the order of rows, of dropout, and of every draw of a rollout."""
    data: DataSet = DataSet()
    """The data set."""
    checkpoints: Checkpoints = Checkpoints()
    """What is kept."""
    hardware: Hardware = Hardware()
    """Where it runs."""
    alerts: Alerts = Alerts()
    """When numbers become events."""

    @classmethod
    def in_order(cls) -> list[str]:
        """What is trained and on what, then what belongs to the kind, then how and where."""
        own = [name for name in cls.model_fields if name not in _FIRST + _LAST]
        return [name for name in (*_FIRST, *own, *_LAST) if name in cls.model_fields]

    def to_toml(self) -> str:
        """The recipe as a file, every field with its description; `recipes.load` reads it back."""
        from training.recipes.toml import write

        return write(self)


class ModelRecipe(Recipe):
    """A recipe that trains a language model."""

    model: Model = Model()
    """What is trained."""
    lora: LoRA = LoRA()
    """Adapters in place of all weights."""
    data: Data = Data()  # pyright: ignore[reportIncompatibleVariableOverride]
    """The data set."""
    optimizer: Optimizer = Optimizer()
    """AdamW and its schedule."""

    @property
    def at_once(self) -> tuple[str, int]:
        """The key and the value of how many rows one forward pass takes."""
        raise NotImplementedError


class SFTData(Data):
    """The data set of a supervised run."""

    held_out: Annotated[Share, About("share of problems", "ours")] = 0.0
    """Problems whose rows are not trained on; their loss is `val_loss`, and the best checkpoint has the
    lowest."""
    packing: bool = False
    """Put several short rows into one of `max_length` tokens. They do not see each other."""


class Trained(ModelRecipe):
    """A recipe that goes over the rows of a data set."""

    batch: Batch = Batch()
    """Rows of a step."""
    epochs: Annotated[Positive, About("passes over the data")] = 1.0
    """Passes over the data set."""
    max_steps: Annotated[Count | None, About("steps")] = None
    """End after this many steps, whatever `epochs` says."""

    @property
    def at_once(self) -> tuple[str, int]:
        """`batch.rows_at_once`, as the key and the value."""
        return "batch.rows_at_once", self.batch.rows_at_once

    @model_validator(mode="after")
    def _batch_divides(self) -> Self:
        unit = self.batch.rows_at_once * self.hardware.processes
        if self.batch.rows % unit:
            raise ValueError(
                f"batch.rows ({self.batch.rows}) must be a multiple of "
                f"batch.rows_at_once × hardware.processes ({unit})"
            )
        return self


class SFTRecipe(Trained):
    """Supervised fine-tuning on a teacher's rounds: -log P(reasoning, workflow | instruction, query).

    Equation 2 of the FlowReasoner paper.
    """

    kind: Literal["sft"] = "sft"  # pyright: ignore[reportIncompatibleVariableOverride]
    """Supervised fine-tuning."""
    data: SFTData = SFTData()  # pyright: ignore[reportIncompatibleVariableOverride]
    """The data set."""
    epochs: Annotated[Positive, About("passes over the data", "FlowReasoner: at most 3")] = 3.0
    """Passes over the data set."""
    optimizer: Optimizer = Optimizer(learning_rate=1e-5)
    """AdamW and its schedule."""


class Preference(Section):
    """The loss of a preferred and a rejected reply."""

    beta: Annotated[Positive, About(source="ScoreFlow's release")] = 0.1
    """How strongly the policy is held to its base."""
    loss: Annotated[Literal["score", "weighted", "dpo"], About(source="ScoreFlow, Section 3.3")] = "score"
    """`score`: -log sigma(beta (s_w r_w - (1 - s_l) r_l)), ScoreFlow's; `weighted`: weight × DPO's;
    `dpo`: DPO's (Rafailov et al., 2023)."""


class DPORecipe(Trained):
    """Score-DPO: preference pairs whose scores weigh in the loss (ScoreFlow, Wang et al., 2025)."""

    kind: Literal["dpo"] = "dpo"  # pyright: ignore[reportIncompatibleVariableOverride]
    """Preference optimisation."""
    preference: Preference = Preference()
    """The loss."""
    optimizer: Optimizer = Optimizer(learning_rate=1e-6)
    """AdamW and its schedule."""


class GRPOData(Data):
    """The problems that rollouts try."""

    reported: list[str] = Field(default_factory=list)
    """Benchmarks that are reported on, or parts of them, as in `humaneval:flowreasoner/test`: a problem of
    theirs, or of the probe's, in the data set stops the run before it begins."""


class Limits(Section):
    """What one execution of a workflow may use; beyond it scores 0 and the search goes on."""

    seconds: Annotated[Positive, About("s", "MetaFlow's probable code: 180 s")] = 180.0
    """Time, the waiting for the policy not counted."""
    steps: Annotated[Count, About("operator calls")] = 50
    """Operator calls."""
    calls: Annotated[Count, About("model calls")] = 50
    """Model calls."""
    tokens: Annotated[Count, About("tokens")] = 100_000
    """Tokens, prompts and answers together."""


class Rollouts(Section):
    """How candidates are sampled. A rollout is a run of the variant, like any other, and stored like one."""

    variant: Literal["flowreasoner", "metaflow"] = "flowreasoner"
    """`flowreasoner`: rounds with process rewards; `metaflow`: one workflow for a task, run on instances."""
    worker: Annotated[str, Field(min_length=1)] = "pocket-worker"
    """The model that operators call."""
    queries: Annotated[Count, About("queries")] = 2
    """Queries (or tasks with an operator set) of one step."""
    group: Annotated[int, Field(ge=2), About("candidates", "FlowReasoner: rollout number 5")] = 5
    """Candidates of one query. They share the worker's seeds, so a difference in score is one in workflow."""
    rounds: Annotated[Count, About("rounds", "FlowReasoner: 10")] = 10
    """Rounds l of a candidate (`flowreasoner`)."""
    repeats: Annotated[Count, About("executions", "FlowReasoner: 3")] = 3
    """Executions of each workflow."""
    instances: Annotated[Count, About("instances", "MetaFlow's probable code: 10, earlier 5")] = 10
    """Instances that a task's workflow is run on (`metaflow`)."""
    operators: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["paper"])
    """Operator sets, one drawn for each group (`flowreasoner operators` lists them)."""
    renamed: Annotated[Share, About("share of groups", "ours")] = 0.0
    """Groups whose operators have other names and descriptions, drawn for the group, so that the policy has
    to read what it is told. Only the `metaflow` sets have others."""
    held_out: str = ""
    """An operator set that no group has, or none. Each time `probe.every` steps are done a workflow is
    written with it for each task, and not learned from; its mean reward is `held_out_reward_mean`
    (`metaflow`)."""
    stop_early: bool = True
    """End a search at the first workflow that passes everything; its score is held for the rounds left."""
    temperature: Annotated[Positive, About(source="MetaFlow's probable code: 0.7")] = 1.0
    """Sampling temperature of the policy."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus of the policy's sampling."""
    max_tokens: Annotated[Count, About("tokens")] = 4096
    """The longest reply of the policy."""
    at_once: Annotated[Count, About("rollouts")] = 16
    """Rollouts in progress at the same time."""
    limits: Limits = Limits()
    """What one execution may use."""


class Reward(Section):
    """What a round of a candidate is worth. A sandbox failure is worth nothing: its rows are dropped."""

    pass_rate: Annotated[NotNegative, About(source="not published; ours")] = 1.0
    """Weight of the mean pass rate on `val`."""
    complexity: Annotated[NotNegative, About(source="not published; ours")] = 0.1
    """Weight of the workflow's complexity, subtracted; complexity is capped at 1."""
    distinctness: Annotated[NotNegative, About(source="not published; ours")] = 0.1
    """Weight of writing a workflow that no earlier round has."""
    invalid: Annotated[float, Field(le=0, allow_inf_nan=False)] = -0.5
    """Reward of a reply that cannot run."""
    cut: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """Reward of a round that the run's budget cut short."""


class Advantages(Section):
    """Equation 4: k^j (r_j - mean) / std over all rounds of a group, summed over the rounds that follow."""

    k: Annotated[Positive, About(source="FlowReasoner: 1.1")] = 1.1
    """Growth of a round's weight with its number."""
    after: Annotated[int, Field(ge=0), About("rounds", "FlowReasoner: T = 3")] = 3
    """Rounds up to this one carry no reward (T)."""
    form: Literal["subsequent", "literal"] = "subsequent"
    """`subsequent` sums over j ≥ max(round, T + 1), as the text says; `literal` over j > T, as printed."""
    scale: Annotated[Literal["floor", "std", "skip", "none"], About(source="FlowReasoner: std")] = "floor"
    """Divide by the group's standard deviation with a `floor`; by it alone (`std`); by it alone and learn
    nothing from groups below the floor (`skip`); or not at all."""
    floor: Annotated[Positive, About("reward", "ours: 0.1 of its range")] = 0.1
    """The least standard deviation to divide by."""
    hold: Annotated[bool, About(source="ours")] = True
    """A candidate that stopped early holds its last reward over the rounds it did not play."""
    center: Literal["none", "round"] = "none"
    """`round` makes the advantages of each round sum to zero over a group."""
    max_abs: Annotated[Positive | None, About(source="ours")] = None
    """Advantages are cut to this size."""


class Objective(Section):
    """Equation 3: the clipped surrogate, and the divergence from the base."""

    kl: Annotated[
        NotNegative, About(source="not published for FlowReasoner; MetaFlow's probable code: 0.015")
    ] = 0.0
    """Weight of the divergence from the base in the loss."""
    clip: Annotated[Positive, About(source="PPO: 0.2")] = 0.2
    """The importance ratio is clipped to 1 ± this."""
    per: Literal["token", "rollout"] = "token"
    """Mean over all tokens, or first over each rollout's tokens and then over rollouts."""


class Generation(Section):
    """What decodes the policy."""

    backend: Literal["embedded", "vllm-colocate", "vllm-server"] = "embedded"
    """`embedded`: this project's decoder on the trainer's weights; `vllm-colocate`: vLLM on the same GPUs;
    `vllm-server`: a vLLM server, which gets the weights after each step and answers each call by itself."""
    memory: Annotated[Share, About("share of a GPU")] = 0.3
    """GPU memory that vLLM takes (`vllm-colocate`)."""
    server: str = "http://127.0.0.1:8000"
    """Address of the server, which is to serve this training alone (`vllm-server`). A key that it wants is
    taken from the environment variable VLLM_API_KEY."""
    weights: str = ""
    """Folder through which the server gets the weights, and which it sees under the same path; by default the
    job's own (`vllm-server`)."""
    every: Annotated[Count, About("steps")] = 1
    """Send the weights each time this many steps are done (`vllm-server`)."""
    max_staleness: Annotated[int, Field(ge=0), About("steps")] = 1
    """A rollout with tokens from weights that are more steps old is discarded. If this leaves room, the next
    step's rollouts begin while the optimizer works (`vllm-server`)."""
    correct: Annotated[Literal["token", "sequence"], About(source="TRL")] = "token"
    """Importance weights of the policy in training against the one that was sampled: for each token, or for
    each row (`vllm-*`)."""
    correct_max: Annotated[Positive, About(source="TRL: 3")] = 3.0
    """Importance weights are cut to this size (`vllm-*`)."""

    @field_validator("server")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError("must be an address such as http://127.0.0.1:8000")
        if parts.username or parts.password:
            raise ValueError("must not hold a user or password: set VLLM_API_KEY in the environment")
        return value.rstrip("/").removesuffix("/v1")

    @property
    def is_ahead(self) -> bool:
        """Whether a step's rollouts begin one step early, with weights that will be up to `every` old."""
        return self.backend == "vllm-server" and self.max_staleness >= self.every


class Probe(Section):
    """Problems on which `test` is looked at now and then, to notice a reward that is only gamed."""

    path: str = ""
    """A file of problems, or nothing for no probe. Never problems of a benchmark that is reported."""
    every: Annotated[Count, About("steps")] = 20
    """Run the probe each time this many steps are done."""
    problems: Annotated[Count, About("problems")] = 20
    """How many of the file's problems, from its beginning."""


class GRPORecipe(ModelRecipe):
    """Reinforcement learning with group-relative advantages.

    With the variant `flowreasoner` per round (Equations 3 and 4 of its paper), with `metaflow` one verifiable
    reward for a workflow (RLVR).
    """

    kind: Literal["grpo"] = "grpo"  # pyright: ignore[reportIncompatibleVariableOverride]
    """Reinforcement learning."""
    steps: Annotated[Count, About("steps")] = 100
    """Optimiser steps."""
    candidates_at_once: Annotated[Count, About("candidates")] = 1
    """Candidates whose calls one forward pass takes on one device, about `rollouts.rounds` rows each."""
    data: GRPOData = GRPOData()  # pyright: ignore[reportIncompatibleVariableOverride]
    """The data set."""
    rollouts: Rollouts = Rollouts()
    """How candidates are sampled."""
    reward: Reward = Reward()
    """What a round is worth."""
    advantages: Advantages = Advantages()
    """Rewards into advantages."""
    objective: Objective = Objective()
    """The loss."""
    generation: Generation = Generation()
    """What decodes the policy."""
    probe: Probe = Probe()
    """A watch on reward hacking."""
    optimizer: Optimizer = Optimizer(learning_rate=1e-6, schedule="constant")
    """AdamW and its schedule."""

    @property
    def at_once(self) -> tuple[str, int]:
        """`candidates_at_once`, as the key and the value."""
        return "candidates_at_once", self.candidates_at_once

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        candidates = self.rollouts.queries * self.rollouts.group
        unit = self.candidates_at_once * self.hardware.processes
        if candidates % unit:
            raise ValueError(
                f"rollouts.queries × rollouts.group ({candidates}) must be a multiple of "
                f"candidates_at_once × hardware.processes ({unit})"
            )
        if self.advantages.after >= self.rollouts.rounds:
            raise ValueError(
                f"advantages.after ({self.advantages.after}) leaves no reward in {self.rollouts.rounds} "
                "rounds: set it lower, or rollouts.rounds higher"
            )
        return self

    @model_validator(mode="after")
    def _is_held_out(self) -> Self:
        name, trained = self.rollouts.held_out, self.rollouts.operators
        if name and self.rollouts.variant != "metaflow":
            raise ValueError("rollouts.held_out needs rollouts.variant = 'metaflow': set one or the other")
        if name in trained:
            raise ValueError(f"rollouts.held_out ({name}) is among rollouts.operators: take it out of them")
        return self

    @model_validator(mode="after")
    def _server_can_serve(self) -> Self:
        given = self.generation
        if given.backend != "vllm-server":
            return self
        if self.rollouts.top_p < 1:
            raise ValueError(
                "generation.backend = 'vllm-server' needs rollouts.top_p = 1: vLLM's log-probabilities are "
                "those of the nucleus, and training's of the whole vocabulary"
            )
        if given.every > given.max_staleness + 1:
            raise ValueError(
                f"generation.every ({given.every}) lets weights grow older than generation.max_staleness "
                f"({given.max_staleness}) allows: set it to {given.max_staleness + 1} or less"
            )
        return self
