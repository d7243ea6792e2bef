"""Where the policy's tokens come from: the weights in training, or a server that has a copy of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from engine.models.base import ModelError, Sampling

MAX_ROWS = 64  # rows that are decoded at once


@dataclass(frozen=True)
class Generated:
    """A completion in tokens. `ids` include the token that ended it.

    `logps` are their log-probabilities at `temperature` over the whole vocabulary. Empty where the prompt
    left no room. `version` is how many optimizer steps the weights had that a server drew it with, None where
    they are those in training.
    """

    ids: list[int]
    logps: list[float]
    temperature: float
    finish: Literal["stop", "length"] = "stop"
    version: int | None = None


class Generator(Protocol):
    """Completes prompts given as tokens."""

    def generate(self, prompts: Sequence[list[int]], sampling: Sequence[Sampling]) -> list[Generated]:
        """A completion of each prompt (token ids), in order. One with a seed draws the same in any batch.

        Raises ModelError where the prompts cannot be completed.
        """
        ...


class EmbeddedGenerator:
    """Decodes with the very weights that are trained, in this process, by the engine's own decoder."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        """`model` is the Transformers model in training, unwrapped.

        Sampling that a call leaves open, such as its temperature, comes from the generation config, as in
        use. Raises ModelError where the model cannot be batched.
        """
        from engine.models.local.weights import Weights

        self._weights = Weights("the policy", model, tokenizer)

    def generate(self, prompts: Sequence[list[int]], sampling: Sequence[Sampling]) -> list[Generated]:
        """As `Generator.generate`. The model is in evaluation mode meanwhile."""
        from engine.models.local.batch import Batch
        from engine.models.local.row import DecodingRow

        model = self._weights.model
        training = model.training
        model.eval()
        try:
            batch = Batch(self._weights)
            rows = [self._row(prompt, one) for prompt, one in zip(prompts, sampling, strict=True)]
            waiting: list[DecodingRow] = [row for row in rows if row is not None]
            while waiting or batch.live:
                results = batch.step() if batch.live else []
                free = MAX_ROWS - len(batch.live)
                if waiting and free:
                    results += batch.admit(waiting[:free])
                    waiting = waiting[free:]
                for row, _ in results:
                    if row.finish:
                        batch.drop(row)
        finally:
            model.train(training)
        return [_generated(row) for row in rows]

    def _row(self, prompt: list[int], sampling: Sampling) -> Any:
        """The row to decode; None where there is no room for a token."""
        from engine.models.local.row import DecodingRow
        from engine.models.local.text import TextStream

        try:
            room, _ = self._weights.room(len(prompt), sampling)
        except ModelError:
            return None
        # The text only matters here where it may hold a stop string.
        decode = self._weights.chat.decode if sampling.stop else _no_text
        text = TextStream(decode, sampling.stop, thinking=False)
        # Training recomputes log-probabilities without the generation config's penalty.
        choice = replace(self._weights.choice(sampling), repetition_penalty=1.0)
        return DecodingRow(prompt, room, choice, sampling.seed, text, keeps_logps=True)


def _no_text(tokens: list[int]) -> str:
    return ""


def _generated(row: Any) -> Generated:
    if row is None:
        return Generated([], [], 1.0, "length")
    return Generated(row.tokens, row.logps, row.choice.temperature or 1.0, row.finish)
