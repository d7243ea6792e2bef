"""Tokens a second of a model in process, alone and several at once, against others in the same run.

    python -m tests.benchmarks.local_model [--weights FOLDER | --half-billion] [--tokens 64] [--rounds 5]
        [--sizes 1 8] [--server URL --model NAME]

Every round asks each side in turn for greedy answers to the same prompts, and the medians of the rounds'
ratios are printed as one JSON object: the rates of a shared machine say little, their ratios more. The others
are Transformers' `generate`, one call alone and several padded ones at once, and, with `--server`, an
OpenAI-compatible server such as llama.cpp's. `first_s` is the time to the first text of a prompt of about 300
tokens, `load_s` that from nothing to a first token; their CPU seconds stand beside them.

Without `--weights` the model is random: of the pocket worker's size, or of the size and shape of
Qwen2.5-0.5B in bfloat16. What it writes is nonsense, at the speed of sense.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.models.base import ChatModel, Completion, Message, Sampling
from engine.models.local import LocalModel
from tests.support.tiny_llama import TEMPLATE, make_tiny_llama


def make_random(folder: Path, *, half_billion: bool) -> Path:
    """A random model with the test tokenizer, which never ends early."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    make_tiny_llama(folder, template=TEMPLATE)
    torch.manual_seed(0)
    never: dict[str, Any] = {"bos_token_id": None, "tie_word_embeddings": True}
    if half_billion:
        sizes = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24}
        heads = {"num_attention_heads": 14, "num_key_value_heads": 2}
        config = Qwen2Config(vocab_size=151_936, eos_token_id=151_935, **sizes, **heads, **never)
        with torch.device("meta"):
            model: Any = Qwen2ForCausalLM(config).to(torch.bfloat16)
        model = model.to_empty(device="cpu")
        for parameter in model.parameters():
            parameter.data.normal_(std=0.02)
        model.tie_weights()
    else:
        sizes = {"hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 4}
        heads = {"num_attention_heads": 6, "max_position_embeddings": 512}
        model = LlamaForCausalLM(LlamaConfig(vocab_size=900, eos_token_id=899, **sizes, **heads, **never))
    model.save_pretrained(folder)
    return folder


def question(number: int, words: int) -> list[Message]:
    """A prompt that shares nothing with those of other numbers."""
    return [{"role": "user", "content": f"{number:04d} " + f"w{number:03d} " * words}]


async def ask(model: ChatModel, prompts: list[list[Message]], tokens: int) -> tuple[float, int, float]:
    """(seconds, tokens made, seconds to the first text) of all prompts at once."""
    began = time.perf_counter()
    firsts: list[float] = []

    async def one(messages: list[Message]) -> int:
        async for item in model.stream(messages, Sampling(temperature=0.0, max_tokens=tokens)):
            if not firsts:
                firsts.append(time.perf_counter() - began)
            if isinstance(item, Completion):
                return item.tokens_out
        raise RuntimeError("a stream without an end")

    made = sum(await asyncio.gather(*(one(messages) for messages in prompts)))
    return time.perf_counter() - began, made, firsts[0]


class Plain:
    """Transformers' `generate` on a model of its own."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self._tokenizer.pad_token = self._tokenizer.pad_token or self._tokenizer.eos_token

    def rate(self, prompts: list[list[Message]], tokens: int) -> float:
        """Tokens a second of all prompts in one padded batch, those after an answer's end left out."""
        texts = [
            self._tokenizer.apply_chat_template(m, tokenize=False, add_generation_prompt=True)
            for m in prompts
        ]
        batch = self._tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        batch.pop("token_type_ids", None)
        began = time.perf_counter()
        out = self._model.generate(**batch, do_sample=False, max_new_tokens=tokens)
        seconds = time.perf_counter() - began
        answers = out[:, batch["input_ids"].shape[1] :]
        ends = self._model.generation_config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends])
        made = 0
        for answer in answers.tolist():
            at = next((i + 1 for i, token in enumerate(answer) if token in ends), len(answer))
            made += at
        return made / seconds


async def measured(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The medians over all rounds."""
    model = LocalModel("hf:bench", str(folder), device="cpu")
    began, used = time.perf_counter(), time.process_time()
    await ask(model, [question(0, 5)], 1)
    report: dict[str, Any] = {
        "load_s": round(time.perf_counter() - began, 2),
        "load_cpu_s": round(time.process_time() - used, 2),
        "threads": model.threads,
    }
    plain = await asyncio.to_thread(Plain, folder)
    await asyncio.to_thread(plain.rate, [question(0, 5)], 2)
    sides: dict[str, Callable[[list[list[Message]]], Any]] = {}

    async def ours(prompts: list[list[Message]]) -> float:
        seconds, made, _ = await ask(model, prompts, options.tokens)
        return made / seconds

    async def generate(prompts: list[list[Message]]) -> float:
        return await asyncio.to_thread(plain.rate, prompts, options.tokens)

    sides |= {"ours": ours, "generate": generate}
    server: Any = None
    if options.server:
        from engine.endpoint_config import Endpoint
        from engine.models.endpoint import EndpointModel

        server = EndpointModel("server", options.model, "server", Endpoint(base_url=options.server))

        async def served(prompts: list[list[Message]]) -> float:
            seconds, made, _ = await ask(server, prompts, options.tokens)
            return made / seconds

        await ask(server, [question(0, 5)], 2)
        sides["server"] = served
    sizes: list[int] = options.sizes
    rates: dict[str, list[float]] = {f"{side}_{n}": [] for n in sizes for side in sides}
    firsts: list[float] = []
    first_cpus: list[float] = []
    for number in range(options.rounds):
        for count in sizes:
            for place, (side, rate) in enumerate(sides.items()):
                base = 1000 * (place + 1) + 100 * number  # prompts that this side has not seen
                rates[f"{side}_{count}"].append(await rate([question(base + i, 6) for i in range(count)]))
        used = time.process_time()
        firsts.append((await ask(model, [question(9000 + number, options.words)], 1))[2])
        first_cpus.append(time.process_time() - used)
    report["first_s"] = round(statistics.median(firsts), 2)
    report["first_cpu_s"] = round(statistics.median(first_cpus), 2)
    report["tokens_per_s"] = {side: round(statistics.median(of), 1) for side, of in rates.items()}

    def ratio(one: str, other: str) -> float:
        return round(statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True)), 2)

    report["ratios"] = {
        f"{s}_{n}": ratio(f"ours_{n}", f"{s}_{n}") for s in sides for n in sizes if s != "ours"
    }
    report["over_one_generate"] = {n: ratio(f"ours_{n}", f"generate_{sizes[0]}") for n in sizes}
    await model.aclose()
    return report


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--half-billion", action="store_true")
    parser.add_argument("--words", type=int, default=59, help="of the long prompt: 59 make 300 tokens here")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 8], help="answers at once")
    parser.add_argument("--server")
    parser.add_argument("--model", default="model")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.weights or make_random(Path(scratch), half_billion=options.half_billion)
        print(json.dumps(asyncio.run(measured(options, folder))))


if __name__ == "__main__":
    main()
