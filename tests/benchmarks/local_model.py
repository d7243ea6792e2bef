"""Tokens and calls a second of the batched in-process model, against plain `generate` one call at a time.

    python -m tests.benchmarks.local_model [--calls 64] [--tokens 96] [--weights FOLDER]

Both sides decode the same prompts greedily to the same number of tokens, in the same run. Without
`--weights` a random model of the pocket worker's size is used (d=192, 4 layers, 1.8 M parameters).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from engine.models.base import Completion, Message, Sampling
from engine.models.local import LocalModel
from tests.support.tiny_llama import TEMPLATE, make_tiny_llama


def make_worker_sized(folder: Path) -> Path:
    """A random Llama of the pocket worker's size with the test tokenizer, which never ends early."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    make_tiny_llama(folder, template=TEMPLATE)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=900,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        max_position_embeddings=512,
        eos_token_id=899,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def questions(count: int) -> list[list[Message]]:
    """Prompts of 40 to 70 tokens."""
    return [[{"role": "user", "content": f"{i:03d} " + "word " * (7 + i % 6)}] for i in range(count)]


async def batched(folder: Path, prompts: list[list[Message]], tokens: int) -> tuple[float, int]:
    """Seconds and tokens of all prompts at once through the workbench's model."""
    model = LocalModel("hf:bench", str(folder), device="cpu")

    async def ask(messages: list[Message]) -> int:
        done = [i async for i in model.stream(messages, Sampling(temperature=0.0, max_tokens=tokens))][-1]
        assert isinstance(done, Completion)
        return done.tokens_out

    await ask(prompts[0])  # load and warm up
    start = time.perf_counter()
    made = sum(await asyncio.gather(*(ask(p) for p in prompts)))
    seconds = time.perf_counter() - start
    await model.aclose()
    return seconds, made


def plain(folder: Path, prompts: list[list[Message]], tokens: int) -> tuple[float, int]:
    """Seconds and tokens of the prompts one after the other through Transformers' `generate`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    model: Any = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    seconds, made = 0.0, 0
    for number, messages in enumerate([prompts[0], *prompts]):
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
        start = time.perf_counter()
        out = model.generate(**ids, do_sample=False, max_new_tokens=tokens, pad_token_id=0)
        if number:  # the first one warms up
            seconds += time.perf_counter() - start
            made += out.shape[1] - ids["input_ids"].shape[1]
    return seconds, made


def main() -> None:
    """Print one JSON object: rates of both sides and the ratio of their calls a second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.weights or make_worker_sized(Path(scratch))
        prompts = questions(options.calls)
        few = prompts[: max(4, options.calls // 8)]
        sides = {
            "batched": (*asyncio.run(batched(folder, prompts, options.tokens)), len(prompts)),
            "alone": (*asyncio.run(batched(folder, prompts[:1], options.tokens)), 1),
            "generate": (*plain(folder, few, options.tokens), len(few)),
        }
    report: dict[str, Any] = {
        side: {"tokens_per_s": round(made / seconds), "calls_per_s": round(calls / seconds, 1)}
        for side, (seconds, made, calls) in sides.items()
    }
    report["ratio"] = round(report["batched"]["tokens_per_s"] / report["generate"]["tokens_per_s"], 1)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
