"""`python -m training.pocket.train worker|meta|all`: train the pocket models from nothing.

The process starts itself again with one thread and an allocator that keeps its memory: on small virtual
machines page faults cost more than the arithmetic, and two threads are slower than one under load. Train
both models at once in two processes rather than one on two cores.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from training.pocket import model as models
from training.pocket.loop import Schedule
from training.pocket.model import Shape

ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True)
class Recipe:
    """What one model is trained with."""

    shape: Shape
    lengths: tuple[int, ...]
    batch_tokens: int
    minutes: float


RECIPES = {
    "worker": Recipe(models.WORKER, (96, 144, 224, 384), 4608, 36.0),
    "meta": Recipe(models.META, (352, 432, 640, 832), 5120, 14.0),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training.pocket.train", description=__doc__)
    parser.add_argument("what", choices=["worker", "meta", "all"])
    parser.add_argument("--minutes", type=float, help="train this long; the schedule follows the clock")
    parser.add_argument(
        "--steps", type=int, help="train this many steps instead: the same weights every time"
    )
    parser.add_argument("--out", type=Path, default=models.WEIGHTS, help="folder for the two models")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", type=Path, help="go on from this model, such as the checkpoint of --out")
    parser.add_argument(
        "--done", type=float, default=0.0, help="with --resume: the share of the schedule done"
    )
    options = parser.parse_args(arguments)
    if options.resume and options.what == "all":
        parser.error("--resume goes on with one model: say worker or meta")
    _with_environment()
    for what in ("worker", "meta") if options.what == "all" else (options.what,):
        recipe = RECIPES[what]
        minutes = None if options.steps else options.minutes or recipe.minutes
        schedule = Schedule(minutes, options.steps)
        if options.resume:
            schedule = replace(schedule, warm_up=10, done=options.done)
        train(what, recipe, schedule, options.out / what, options.seed, options.resume)


def train(
    what: str, recipe: Recipe, schedule: Schedule, out: Path, seed: int, resume: Path | None = None
) -> None:
    """Train one model, reporting to standard output, and save it to `out`.

    Every few minutes a checkpoint goes to a folder beside `out`. It holds no optimizer state: that is
    a momentum of some twenty steps.
    """
    import torch

    from training.pocket import batches, loop
    from training.pocket.courses import course

    torch.set_num_threads(1)
    lessons = course(what, random.Random(f"{what}-{seed}-{schedule.done}"))
    if resume:
        network, tokenizer = models.load(resume, attention="eager")
    else:
        tokenizer = lessons.tokenizer(recipe.shape.vocabulary)
        network = models.make(recipe.shape, tokenizer, seed)
    _say(f"{what}: {models.parameters(network):,} parameters, vocabulary {len(tokenizer)}")

    checkpoint = out.with_name(out.name + "-checkpoint")

    def pause() -> None:
        began = time.monotonic()
        models.save(network, tokenizer, recipe.shape, checkpoint)
        _say(f"  held-out: {lessons.measure(network, tokenizer)} ({time.monotonic() - began:.0f} s)")

    began = time.monotonic()
    losses = loop.train(
        network,
        batches.batches(tokenizer, lessons.next, recipe.lengths, recipe.batch_tokens),
        schedule,
        set_progress=lessons.set_progress,
        report=_say,
        pause=pause,
    )
    network.eval()
    models.save(network, tokenizer, recipe.shape, out)
    shutil.rmtree(checkpoint, ignore_errors=True)
    _say(f"{what}: {len(losses)} steps in {(time.monotonic() - began) / 60:.1f} min, saved to {out}")
    _say(f"  held-out: {lessons.measure(network, tokenizer)}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _with_environment() -> None:
    """Start again with the settings that must be there before Python is."""
    if all(os.environ.get(k) == v for k, v in ENVIRONMENT.items()):
        return
    os.environ.update(ENVIRONMENT)
    os.execv(sys.executable, [sys.executable, "-m", "training.pocket.train", *sys.argv[1:]])


if __name__ == "__main__":
    main()
