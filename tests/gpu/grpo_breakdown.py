"""Where a GRPO step's time goes on a GPU: rollouts of the engine, plain TRL, all weights, adapters.

    python tests/gpu/grpo_breakdown.py [--tiny] [--steps N] [--out FILE]

Needs no network and at most 8 minutes. It wants the wheels of `flowreasoner[train]` beside it: torch 2.13 of
the machine's CUDA, transformers, trl 1.16, peft, datasets. A randomly initialised Llama of 104 M parameters
in bfloat16 is trained; `--tiny` takes a very small one on the CPU, which keeps this script working.

A random model writes no workflow. So it decodes for real, and what is handed on to the engine is one of a few
replies that run: decoding, executions and training take the time they would, and nothing is learned.

Without Docker and bubblewrap, workflows run without a sandbox (`unsafe-local`), which the result says.
Rollouts that do not wait for each other need a vLLM server and are not measured, which it says too.
"""

# ruff: noqa: E402  our packages are found once the path is set

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "sandbox" / "command")]
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch

from engine.config import Settings
from engine.models.base import Sampling
from sandbox.errors import UnavailableError
from training import recipes
from training.pocket.flows import choose, write
from training.pocket.model import WEIGHTS
from training.recipes import GRPORecipe
from training.rollouts.generators import Generated, Generator
from training.trainers import grpo
from training.trainers.hooks import Hooks
from training.trainers.progress import Progress

SIZES = {"gpu": (1024, 8, 2816), "tiny": (32, 2, 64)}  # width, layers, inner width


class Answering:
    """Decodes with the model in training, and hands on replies that run."""

    def __init__(self, generator: Generator, replies: Sequence[list[int]]) -> None:
        self._generator = generator
        self._replies = itertools.cycle(replies)
        self.tokens = 0

    def generate(self, prompts: Sequence[list[int]], sampling: Sequence[Sampling]) -> list[Generated]:
        made = self._generator.generate(prompts, sampling)
        self.tokens += sum(len(one.ids) for one in made)
        told = [next(self._replies) for _ in made]
        return [
            Generated(ids, [0.0] * len(ids), one.temperature) for ids, one in zip(told, made, strict=True)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="a small model on the CPU")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", ".")) / "grpo_breakdown.json")
    options = parser.parse_args()
    if not options.tiny and not torch.cuda.is_available():
        sys.exit("there is no GPU here: take --tiny")
    if options.tiny:
        torch.set_num_threads(1)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), options.tiny, options.steps)
    result["seconds"] = time.perf_counter() - began
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


def measure(folder: Path, tiny: bool, steps: int) -> dict[str, Any]:
    """The mean of every number of a step, the first left out where there are more, for each way to train."""
    base, tokenizer = make_base(folder / "base", *SIZES["tiny" if tiny else "gpu"])
    data = make_problems(folder / "data", 8)
    result: dict[str, Any] = {
        "device": "cpu" if tiny else torch.cuda.get_device_name(),
        "parameters": base[1],
        "sandbox": sandbox(),
        "left_out": "rollouts that do not wait for each other",
    }
    for name, lora in (("all weights", False), ("adapters", True)):
        recipe = recipe_of(base[0], data, tiny, steps, lora)
        result[name] = rollouts_of(folder / name.replace(" ", "-"), recipe, tokenizer, result["sandbox"])
    result["plain TRL, reward 0"] = plain(
        folder / "plain", recipe_of(base[0], data, tiny, steps, False), tokenizer
    )
    return result


def make_base(folder: Path, width: int, layers: int, inner: int) -> tuple[tuple[Path, int], Any]:
    """A random Llama with the embedded meta-agent's tokenizer, in a folder; and its number of weights."""
    from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS / "meta")
    config: Any = AutoConfig.from_pretrained(WEIGHTS / "meta")
    config.hidden_size, config.num_hidden_layers, config.intermediate_size = width, layers, inner
    config.num_attention_heads = config.num_key_value_heads = max(2, width // 64)
    config.head_dim = width // config.num_attention_heads
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return (folder, sum(p.numel() for p in model.parameters())), tokenizer


def make_problems(folder: Path, count: int) -> Path:
    from datasets import Dataset

    from training.pocket.tasks import generate

    problems = [p.to_json() | {"metadata": {}} for p in generate(7, "train", count)]
    Dataset.from_list([{"problem": json.dumps(p), "id": p["id"]} for p in problems]).save_to_disk(str(folder))
    return folder


def recipe_of(base: Path, data: Path, tiny: bool, steps: int, lora: bool) -> GRPORecipe:
    size = ("rollouts.queries=1", "rollouts.group=2", "rollouts.rounds=1", "rollouts.max_tokens=20")
    large = ("rollouts.queries=4", "rollouts.group=8", "rollouts.rounds=3", "rollouts.max_tokens=300")
    gpu = (
        "hardware.device=cuda",
        "hardware.precision=bfloat16",
        "model.attention=sdpa",
        "model.weights=bfloat16",
    )
    changes = [f"model.base=hf:{base}", f"data.path={data}", f"steps={steps}", "checkpoints.every=1000"]
    changes += [f"lora.enabled={str(lora).lower()}", "alerts.entropy_max=100", "rollouts.stop_early=false"]
    recipe = recipes.load("grpo-embedded", [*changes, *(size if tiny else (*large, *gpu))])
    assert isinstance(recipe, GRPORecipe)
    return recipe


def sandbox() -> str:
    """The best backend there is here."""
    import asyncio

    from engine.guest_modules import guest_modules
    from sandbox import open_sandbox

    async def opened() -> str:
        async with open_sandbox("auto", guest_modules(), size=1) as box:
            return box.name

    try:
        return asyncio.run(opened())
    except UnavailableError as error:
        sys.stderr.write(f"no sandbox here, workflows run without one: {error}\n")
        return "unsafe-local"


def replies(tokenizer: Any) -> Iterator[list[int]]:
    """A few answers of different workflows that run, as tokens."""
    import random

    for seed in range(6):
        draw = random.Random(seed)
        flow = write(draw, choose(draw, 2, tests=True, code=True), entry_point=True)
        graph = f"<graph>\n{flow.code}\n</graph>\n<prompt>\n{flow.prompts}\n</prompt>"
        text = f"<think>One of a few.</think>\n{graph}"
        yield tokenizer.encode(text + tokenizer.eos_token, add_special_tokens=False)


def rollouts_of(folder: Path, recipe: GRPORecipe, tokenizer: Any, backend: str) -> dict[str, Any]:
    """Train on rollouts of the engine; the mean of the steps' numbers."""
    folder.mkdir()
    (folder / "checkpoints").mkdir()
    answering: list[Answering] = []

    def around(generator: Generator) -> Generator:
        answering.append(Answering(generator, list(replies(tokenizer))))
        return answering[0]

    progress = Progress(folder / "progress.jsonl", 1)
    hooks = Hooks(recipe, folder, progress)
    prefer: Any = backend
    with contextlib.ExitStack() as stack:
        trainer = grpo.make(recipe, folder, Settings(), hooks, stack, prefer=prefer, decoder=around)
        trainer.train()
    progress.close()
    lines = [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]
    steps = [line["values"] for line in lines if line["kind"] == "step"]
    return mean(steps) | {"decoded_tokens_a_step": answering[0].tokens / len(steps)}


def plain(folder: Path, recipe: GRPORecipe, tokenizer: Any) -> dict[str, Any]:
    """TRL by itself on prompts of the same number, with a reward that does nothing."""
    from datasets import Dataset
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    from training.recipes.base import load_model

    calls = recipe.rollouts.group * recipe.rollouts.rounds
    cuda = recipe.hardware.device == "cuda"
    arguments = GRPOConfig(
        output_dir=str(folder),
        use_cpu=not cuda,
        bf16=cuda,
        report_to=[],
        save_strategy="no",
        per_device_train_batch_size=calls,
        num_generations=calls,
        disable_tqdm=True,
        logging_steps=1,
        gradient_accumulation_steps=recipe.rollouts.queries,
        steps_per_generation=recipe.rollouts.queries,
        max_completion_length=recipe.rollouts.max_tokens,
        max_steps=recipe.steps,
        loss_type="dapo",
        gradient_checkpointing=False,
        temperature=recipe.rollouts.temperature,
    )
    nothing: Any = lambda prompts, **rest: [0.0] * len(prompts)  # noqa: E731
    asked = Dataset.from_list(
        [{"prompt": [{"role": "user", "content": f"Query:\n{n} " + "words " * 60}]} for n in range(8)]
    )
    model = load_model(recipe, str(recipe.model.base.removeprefix("hf:")), tokenizer)
    trainer = GRPOTrainer(
        model=model, processing_class=tokenizer, reward_funcs=nothing, args=arguments, train_dataset=asked
    )
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "step_time" in entry]
    tokens = [entry["num_tokens"] for entry in logs]
    took = [entry["step_time"] for entry in logs]
    return {"seconds_step": sum(took) / len(took), "tokens_per_s": tokens[-1] / sum(took)}


def mean(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    kept = steps[1:] or steps
    names = [name for name in kept[0] if all(isinstance(step.get(name), int | float) for step in kept)]
    return {name: sum(step[name] for step in kept) / len(kept) for name in names}


if __name__ == "__main__":
    main()
