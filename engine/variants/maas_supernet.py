"""MaAS's options, and its controller with what it chooses from: the supernet."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import Field

from engine.paths import expanded
from engine.problems import Kind, Problem
from engine.run.context import RunConfig
from engine.search import SearchError
from engine.variants import OptionError, Options, options_of
from engine.variants.maas_checkpoint import read_controller
from engine.variants.maas_controller import Architecture, Controller
from engine.variants.maas_encoders import MISSING_TORCH, encoder
from engine.variants.maas_import import released_texts, released_weights
from engine.variants.maas_render import choices
from sandbox.errors import UsageError

_SHAPE = ("layers", "hidden", "encoder")  # options that trained weights only make sense with


class MaASOptions(Options):
    """Options of MaAS. Sources: the paper, and the release (github.com/bingreeky/MaAS)."""

    repetitions: int = Field(
        4, ge=1, description="passes over the task, the paper's K (paper and release: 4)"
    )
    batch: int = Field(4, ge=1, description="problems between two updates (release: 4)")
    lr: float = Field(0.01, gt=0, description="Adam's learning rate (paper and release: 0.01)")
    cost_weight: float = Field(
        3.0,
        ge=0,
        description="weight of a US dollar against a score of 1 (release: 3; paper: 0.001 to 0.01)",
    )
    layers: int = Field(4, ge=1, description="layers of the supernet, L (paper and release: 4)")
    hidden: int = Field(
        32, ge=1, description="width in which queries and operators are compared (release: 32)"
    )
    threshold: float = Field(
        0.3, gt=0, le=1, description="probability that a layer's operators add up to (paper: 0.3)"
    )
    encoder: str = Field(
        "hash",
        description="sentence encoder: hash (ours), or a model's folder or name (release: MiniLM-L6-v2)",
    )
    textual_gradient: bool = Field(
        False, description="rewrite one instruction when scores fall (paper; optional in the release)"
    )
    controller: str = Field(
        "",
        description="a trained controller in place of a search: job:ID[@STEP] or a checkpoint's folder "
        "(ours), or a .pth file, which takes encoder=FOLDER of all-MiniLM-L6-v2 (release)",
    )


class Supernet:
    """A controller with what it needs to choose for a problem."""

    def __init__(
        self, kind: Kind, options: MaASOptions, seed: int, found: Mapping[str, Any] | None = None
    ) -> None:
        """The controller that the options name, or an untrained one, whose weights follow from `seed`; or the
        one that a search `found`. Raises SearchError: torch, the encoder or the controller is missing.
        """
        self.kind: Kind = found["kind"] if found else kind
        self._options = options.model_copy(update={k: found[k] for k in _SHAPE}) if found else options
        options = self._options
        self._encode = encoder(options.encoder)
        self.operators: dict[str, str] = dict(found["operators"]) if found else choices(kind)
        # What the release's controllers read of their operators; None where ours are read.
        self.texts: dict[str, str] | None = found.get("texts") if found else None
        if self.is_released and not found:
            self.texts = released_texts(expanded_file(options.controller), list(self.operators))
        texts = self.texts or {name: f"{name}: {text}" for name, text in self.operators.items()}
        embeddings = {name: self._encode(text) for name, text in texts.items()}
        self.controller = Controller(embeddings, layers=options.layers, hidden=options.hidden, seed=seed)
        if found:
            self.controller.load(found["controller"])
        elif self.is_released:
            self._take(options.controller)

    @property
    def is_released(self) -> bool:
        """Whether the options name a controller of the release."""
        return is_released(self._options)

    def _take(self, file: str) -> None:
        """The weights that the release trained. Raises SearchError."""
        o = self._options
        _check_encoder(o)
        if not self.controller.take(released_weights(expanded_file(file))):
            raise SearchError(
                f"{file}: this controller was not trained with layers={o.layers}, hidden={o.hidden} and "
                f"encoder={o.encoder}; the release has 4, 32 and all-MiniLM-L6-v2"
            )

    def sample(self, problem: Problem, seed: int) -> Architecture:
        query = self._encode(problem.prompt)
        return self.controller.sample(query, threshold=self._options.threshold, seed=seed)

    def log_prob(self, problem: Problem, architecture: Architecture) -> Any:
        return self.controller.log_prob(self._encode(problem.prompt), architecture)

    def found(self, instructions: Mapping[str, str]) -> dict[str, Any]:
        """The controller as JSON, with all that its choices are made and rendered with."""
        return {
            "controller": self.controller.dump(),
            "kind": self.kind,
            "operators": self.operators,
            "texts": self.texts,
            **{k: getattr(self._options, k) for k in _SHAPE},
            "instructions": dict(instructions),
            "rewritten": None,
            "repetitions": [],
            "val_score": None,
        }


def is_released(options: MaASOptions) -> bool:
    """Whether the given controller is a file of the release rather than a checkpoint of ours."""
    return options.controller.endswith(".pth")


def expanded_file(path: str) -> Path:
    """The path with `~` as a home folder. Raises SearchError."""
    try:
        return expanded(path)
    except UsageError as error:
        raise SearchError(str(error)) from None


def _check_encoder(options: MaASOptions) -> None:
    """Raise SearchError where a controller of the release would read hashed words, which are as wide."""
    if options.encoder == "hash":
        raise SearchError(
            f"{options.controller}: the release's controllers read queries with all-MiniLM-L6-v2; give the "
            "folder of that model, encoder=FOLDER"
        )


def check(config: RunConfig) -> None:
    """Raise OptionError where torch, or what the options name, is not there. Nothing large is read."""
    options = options_of(MaASOptions, config.options)
    try:
        if find_spec("torch") is None:
            raise SearchError(MISSING_TORCH)
        if is_released(options):
            _check_encoder(options)
            if not expanded_file(options.controller).is_file():
                raise SearchError(f"{options.controller}: No such file; name a controller's file")
        elif options.controller:
            read_controller(options.controller)
        if options.encoder.startswith(("/", ".", "~")) and not expanded_file(options.encoder).is_dir():
            raise SearchError(
                f"the sentence encoder {options.encoder!r} is not there; give a model's folder, or use hash"
            )
    except SearchError as error:
        raise OptionError(str(error)) from None
