"""Load a Transformers model and tokenizer, and turn chat messages into prompt tokens."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.models.base import Message, ModelError, Sampling
from engine.models.faults import clip
from engine.models.local.chat import is_thinking, prompt_text, prompt_tokens
from engine.models.local.sampling import Choice

# Tokens of an answer where neither the call nor the model's own generation config sets a limit: a small model
# that does not end by itself goes on to the end of its context, and answers that are meant are shorter.
DEFAULT_ROOM = 4096
_SMALL = 50_000_000  # parameters; below this a second thread costs more than it brings

# Transformers changes PyTorch's defaults while it loads: two loads at once leave one without its weights.
_loading = threading.Lock()


class Weights:
    """A loaded model: what the decoder and the prompts need of it. Used by one thread only."""

    def __init__(self, name: str, source: str, device: str) -> None:
        """`source` is a folder or a hub ID; `device` "cpu", "cuda" or "auto".

        Raises:
            ModelError: there is no such model, it cannot be read, or it cannot be batched here.
        """
        import torch
        import transformers
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM, AutoTokenizer

        # Progress bars and warnings on stderr would be drawn over the screens.
        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()
        self.name = name
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            with _loading:
                self._tokenizer: Any = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
                model: Any = AutoModelForCausalLM.from_pretrained(
                    source, dtype="auto", trust_remote_code=False
                )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            missing = isinstance(error, OSError) and not Path(source).is_dir()
            kind = "not-found" if missing else "bad-response"
            raise ModelError(kind, f"{name}: cannot load {source}: {clip(str(error))}") from None
        if device == "cpu" and model.dtype == torch.float16:
            model = model.float()  # half precision has no fast kernels on CPUs
        self.model: Any = model.eval().to(device)
        self.device = torch.device(device)
        self._read_config()
        self._set_threads()

    def _read_config(self) -> None:
        from transformers.cache_utils import DynamicCache, DynamicLayer

        config, generation = self.model.config.get_text_config(decoder=True), self.model.generation_config
        layers = DynamicCache(config=config).layers
        if not layers or not all(isinstance(layer, DynamicLayer) for layer in layers):
            raise ModelError(
                "refused",
                f"{self.name}: models with recurrent layers cannot run in this process: "
                "serve it with vLLM and add it as an endpoint",
            )
        self.layers = len(layers)
        self.context: int = getattr(config, "max_position_embeddings", None) or 1 << 30
        ends = generation.eos_token_id if generation.eos_token_id is not None else config.eos_token_id
        ends = [*(ends if isinstance(ends, list) else [ends]), self._tokenizer.eos_token_id]
        self.ends = frozenset(end for end in ends if end is not None)
        self.pad: int = next(iter(self.ends), 0)  # never attended to, so any token does
        self._sampled = bool(generation.do_sample)
        self._defaults = generation

    def _set_threads(self) -> None:
        import torch

        if "OMP_NUM_THREADS" not in os.environ:
            small = sum(p.numel() for p in self.model.parameters()) < _SMALL
            torch.set_num_threads(1 if small else min(2, os.cpu_count() or 1))

    def prompt(self, messages: Sequence[Message]) -> tuple[list[int], bool]:
        """The prompt's tokens, and whether it ends inside an open think block.

        Raises:
            ModelError: the model has no chat template, or its template rejects the messages.
        """
        import jinja2

        if not self._tokenizer.chat_template:
            raise ModelError(
                "refused", f"{self.name}: its tokenizer has no chat template: take an instruct model"
            )
        try:
            text = prompt_text(self._tokenizer, messages)
        except jinja2.TemplateError as error:
            raise ModelError(
                "refused", f"{self.name}: its chat template rejects the messages: {error}"
            ) from None
        return prompt_tokens(self._tokenizer, text), is_thinking(text)

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens, special ones left out."""
        return self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def choice(self, sampling: Sampling) -> Choice:
        """How to choose tokens: as asked, else as the model's own generation config says."""
        own = self._defaults
        temperature = sampling.temperature
        if temperature is None:
            temperature = _or(own.temperature, 1.0) if self._sampled else 0.0
        top_p = (
            sampling.top_p if sampling.top_p is not None else (_or(own.top_p, 1.0) if self._sampled else 1.0)
        )
        return Choice(temperature, top_p, int(_or(own.top_k, 0)) if self._sampled else 0)

    def room(self, prompt_tokens: int, sampling: Sampling) -> tuple[int, bool]:
        """How many tokens the answer may have, and whether that is `DEFAULT_ROOM`.

        Raises:
            ModelError: the prompt alone fills the context.
        """
        left = self.context - prompt_tokens
        if left <= 0:
            size = f"the prompt has {prompt_tokens} tokens, the model's context only {self.context}"
            raise ModelError("context-length", f"{self.name}: {size}: shorten it")
        asked = sampling.max_tokens or self._defaults.max_new_tokens
        if asked is None and left > DEFAULT_ROOM:
            return DEFAULT_ROOM, True
        return min(left, int(asked or left)), False


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
