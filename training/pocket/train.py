"""`python -m training.pocket.train worker|meta|all`: train the pocket models from nothing.

One process works on one core: train both models at once in two processes rather than one on two cores.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from training.pocket import environment
from training.pocket import model as models
from training.pocket.loop import Schedule
from training.pocket.model import Shape


@dataclass(frozen=True)
class Recipe:
    """What one model is trained with.

    `lengths` are the bucket lengths in tokens, `minutes` the default time.
    """

    shape: Shape
    lengths: tuple[int, ...]
    batch_tokens: int
    minutes: float


RECIPES = {
    "worker": Recipe(models.WORKER, (96, 144, 224, 384), 4608, 50.0),
    "meta": Recipe(models.META, (352, 432, 640, 832), 5120, 35.0),
}


def main(arguments: list[str] | None = None) -> None:
    """The program; `arguments` are those of the command line by default."""
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
    environment.ensure("training.pocket.train")
    for which in ("worker", "meta") if options.what == "all" else (options.what,):
        recipe = RECIPES[which]
        minutes = None if options.steps else options.minutes or recipe.minutes
        schedule = Schedule(minutes, options.steps)
        if options.resume:
            schedule = replace(schedule, warm_up=10, done=options.done)
        train(which, recipe, schedule, options.out / which, options.seed, options.resume)


def train(
    what: str, recipe: Recipe, schedule: Schedule, out: Path, seed: int, resume: Path | None = None
) -> None:
    """Train one model, reporting to standard output, and save it to `out`.

    Every few minutes a checkpoint goes to a folder beside `out`. It holds no optimizer state: that is
    a momentum of some twenty steps.
    """
    import torch

    from sandbox import SandboxError
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

    def measured() -> str:
        try:
            return lessons.measure(network, tokenizer)
        except SandboxError as error:  # training goes on without the measurement
            return f"not measured: {error}"

    def pause() -> None:
        began = time.monotonic()
        models.save(network, tokenizer, recipe.shape, checkpoint)
        _say(f"  held-out: {measured()} ({time.monotonic() - began:.0f} s)")

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
    _say(f"  held-out: {measured()}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
