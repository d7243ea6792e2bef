"""A Transformers model and its tokenizer: loading them, and what their configuration says about decoding."""

from __future__ import annotations

import contextlib
import gc
import itertools
import math
import os
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from engine.models.base import ModelError, Sampling
from engine.models.faults import clip
from engine.models.local.chat import Chat
from engine.models.local.sampling import Choice

# Tokens of an answer where neither the call nor the model's own generation config sets a limit. A small model
# may not end by itself and would fill its whole context; sensible answers are shorter.
DEFAULT_ROOM = 4096
_SMALL = 50_000_000  # parameters; below this a second thread costs more than it brings

# Transformers changes PyTorch's defaults while it loads: two loads at once leave one without its weights.
_loading = threading.Lock()


class Weights:
    """A model in memory, with what decoding and prompts need of it. Used by one thread at a time."""

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        """Raises ModelError where the model has recurrent layers, which cannot be batched here, or its
        generation config has a repetition penalty that makes no sense.
        """
        self.name = name
        self.model = model
        self.device = model.device
        self.chat = Chat(name, tokenizer)
        self.threads = 0  # of PyTorch, once it is loaded
        self._read_config()

    @classmethod
    def load(cls, name: str, source: str, device: str) -> Weights:
        """The model in a folder or of a hub ID, on the `device` "cpu", "cuda" or "auto".

        Raises:
            ModelError: there is no such model, it cannot be read, or it cannot be batched here.
        """
        with _loading, _no_collection():
            return cls._load(name, source, device)

    @classmethod
    def _load(cls, name: str, source: str, device: str) -> Weights:
        import torch
        import transformers
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM, AutoTokenizer

        # Progress bars and warnings on stderr would be drawn over the screens.
        transformers.utils.logging.disable_progress_bar()
        transformers.utils.logging.set_verbosity_error()
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            model: Any = AutoModelForCausalLM.from_pretrained(source, dtype="auto", trust_remote_code=False)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            missing = isinstance(error, OSError) and not Path(source).is_dir()
            kind = "not-found" if missing else "bad-response"
            raise ModelError(kind, f"{name}: cannot load {source}: {clip(str(error))}") from None
        if device == "cpu":
            from engine.models.local.attention import share_keys
            from engine.models.local.products import is_slow, speed_up

            if is_slow(model.dtype):
                model = torch.nn.Module.float(model)
            speed_up(model)
            share_keys(model)
        weights = cls(name, model.eval().to(device), tokenizer)
        weights._set_threads()
        return weights

    def _read_config(self) -> None:
        from transformers.cache_utils import DynamicCache, DynamicLayer

        config, generation = self.model.config.get_text_config(decoder=True), self.model.generation_config
        layers = DynamicCache(config=config).layers
        if not layers or not all(isinstance(layer, DynamicLayer) for layer in layers):
            raise ModelError(
                "bad-response",
                f"{self.name}: models with recurrent layers cannot run in this process: "
                "serve it with vLLM and add it as an endpoint",
            )
        self.layers = len(layers)
        self.context: int = getattr(config, "max_position_embeddings", None) or 1 << 30
        ends = generation.eos_token_id if generation.eos_token_id is not None else config.eos_token_id
        ends = [*(ends if isinstance(ends, list) else [ends]), self.chat.tokenizer.eos_token_id]
        self.ends = frozenset(end for end in ends if end is not None)
        self.pad: int = next(iter(self.ends), 0)  # masked out, so any token will do
        if _or(generation.repetition_penalty, 1.0) <= 0:
            wrong = f"a repetition_penalty of {generation.repetition_penalty}: it must be above 0"
            raise ModelError("bad-response", f"{self.name}: its generation_config.json has {wrong}")
        self._sampled = bool(generation.do_sample)
        self._defaults = generation

    def _set_threads(self) -> None:
        """Give this thread, which is to be the one that decodes, as many of PyTorch's as are of use."""
        import torch

        if "OMP_NUM_THREADS" not in os.environ and self.device.type == "cpu":
            is_small = sum(p.numel() for p in self.model.parameters()) < _SMALL
            torch.set_num_threads(1 if is_small else fewest(len(os.sched_getaffinity(0)), self._product_s))
        self.threads = torch.get_num_threads()

    def _product_s(self, threads: int) -> float:
        """Seconds that so many threads need for the largest product of a step: choosing the next tokens.

        A whole step takes many times as long, in the same proportions. With several answers, since a single
        one waits for memory on many machines, and would have their prompts read by one thread. What passes is
        too long where others have the cores, and what each thread uses where one of them waits in a loop.
        """
        import torch

        torch.set_num_threads(threads)
        head = self.model.get_output_embeddings()
        state = torch.zeros(8, head.weight.shape[1], dtype=self.model.dtype)
        took = []
        with torch.inference_mode():
            for _ in range(3):  # the first one reads the weights and starts the threads
                began, used = time.perf_counter(), time.process_time()
                head(state)
                took += [time.perf_counter() - began, (time.process_time() - used) / threads]
        return min(took)

    def memory_left(self) -> float:
        """Bytes where this model's keys and values go; infinite where the system does not say."""
        if self.device.type == "cuda":
            import torch

            free, _ = torch.cuda.mem_get_info(self.device)
            return free + torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        from engine.models.local.products import available_memory

        return available_memory() or math.inf

    def choice(self, sampling: Sampling) -> Choice:
        """How to choose tokens: as `sampling` says, else as the model's own generation config does.

        Where that says nothing, the whole vocabulary is drawn from, and where it does not sample, the
        likeliest token is taken and only its `repetition_penalty` counts.
        """
        temperature, top_p = sampling.temperature, sampling.top_p
        if temperature is None:
            temperature = self._default("temperature", 1.0) if self._sampled else 0.0
        return Choice(
            temperature,
            self._default("top_p", 1.0) if top_p is None else top_p,
            max(0, int(self._default("top_k", 0))),
            self._default("min_p", 0.0),
            _or(self._defaults.repetition_penalty, 1.0),
        )

    def _default(self, name: str, neutral: float) -> float:
        """A setting of the generation config that counts only where that samples."""
        return _or(getattr(self._defaults, name), neutral) if self._sampled else neutral

    def room(self, prompt_tokens: int, sampling: Sampling) -> tuple[int, bool]:
        """(tokens the answer may have, whether that is `DEFAULT_ROOM`).

        Raises:
            ModelError: the prompt alone fills the context.
        """
        left = self.context - prompt_tokens
        if left <= 0:
            size = f"the prompt has {prompt_tokens} tokens, the model's context only {self.context}"
            raise ModelError("context-length", f"{self.name}: {size}: shorten it")
        limit = sampling.max_tokens or self._defaults.max_new_tokens
        if limit is None and left > DEFAULT_ROOM:
            return DEFAULT_ROOM, True
        return min(left, int(limit or left)), False


@contextlib.contextmanager
def _no_collection() -> Generator[None]:
    """Spare a load, which makes millions of objects that stay, the garbage collector's looks at them all."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def fewest(cores: int, seconds: Callable[[int], float]) -> int:
    """The fewest threads, of 1, 2, 4, … and all cores, that take at most a tenth longer than any others."""
    numbers = [*itertools.takewhile(lambda n: n < cores, (1 << i for i in itertools.count())), cores]
    took = {number: seconds(number) for number in numbers}
    return next(number for number in numbers if took[number] <= 1.1 * min(took.values()))


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
