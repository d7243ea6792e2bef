"""The pocket models' shapes, making one, and saving and loading its folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.pocket.tokens import END, PAD, token_id

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Shape:
    """A Llama small enough to train on one core."""

    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    # The defaults a user gets: how to sample, and how long an answer may be.
    temperature: float
    new_tokens: int


WORKER = Shape(192, 4, 6, 512, 1024, 1024, temperature=0.8, new_tokens=140)
META = Shape(144, 4, 4, 384, 1024, 2048, temperature=0.8, new_tokens=600)


def make(shape: Shape, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """An untrained model. Eager attention: its backward pass on a CPU is about twice as fast as SDPA's."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.positions,
        tie_word_embeddings=True,
        pad_token_id=token_id(tokenizer, PAD),
        bos_token_id=None,
        eos_token_id=token_id(tokenizer, END),
    )
    config._attn_implementation = "eager"
    return LlamaForCausalLM(config)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, shape: Shape, folder: Path) -> None:
    """Write fp16 weights, tokenizer and defaults; a half-written folder never replaces a good one.

    Raises OSError where the folder cannot be written.
    """
    import torch
    from transformers import GenerationConfig

    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    # The output layer is the embedding: once it is converted, nothing else would tell that they are one.
    state = {
        name: weight.detach().to(torch.float16)
        for name, weight in model.state_dict().items()
        if name != "lm_head.weight"
    }
    model.save_pretrained(fresh, state_dict=state)
    tokenizer.save_pretrained(fresh)
    GenerationConfig(
        do_sample=True,
        temperature=shape.temperature,
        max_new_tokens=shape.new_tokens,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    ).save_pretrained(fresh)
    (fresh / "model.safetensors").chmod(0o644)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def load(folder: Path, attention: str = "sdpa") -> tuple[Any, PreTrainedTokenizerFast]:
    """Model (fp32: CPUs are slow at fp16) and tokenizer of a saved folder."""
    import torch
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention, trust_remote_code=False
    )
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, trust_remote_code=False)
    return model.eval(), tokenizer


def parameters(model: Any) -> int:
    """How many parameters the model has."""
    return sum(parameter.numel() for parameter in model.parameters())
