"""Where the CPU time of a training step goes: rollouts of the embedded models, rewarded and trained on.

    python -m tests.benchmarks.rollouts [--steps 4] [--queries 2] [--candidates 4] [--rounds 3]
        [--repeats 1 3]

Prints CPU seconds and shares, by thread and control group, of the steps after the first, and what engine,
recorder and sandbox have of it together. The optimiser is plain PyTorch: as little as a trainer can do.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from pathlib import Path
from typing import Any

from engine.models.local import LocalModel
from engine.models.local.chat import Chat
from engine.models.registry import pocket_weights
from engine.run.context import Origin, RunConfig
from training.pocket.model import load
from training.pocket.tasks import generate
from training.rollouts.advantages import AdvantageSettings, call_advantages, process_advantages
from training.rollouts.calls import Row, rows
from training.rollouts.generators import EmbeddedGenerator
from training.rollouts.meter import Breakdown, Meter
from training.rollouts.policy import Desk, PolicyModel
from training.rollouts.rewards import RewardSettings, reward
from training.rollouts.rollouts import Gym, GymThread, Rollout, RolloutRequest

PARTS = ("policy", "train", "worker", "engine", "recorder", "containers", "other")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    for name, default in (("steps", 4), ("queries", 2), ("candidates", 4), ("rounds", 3), ("size", 2)):
        asked.add_argument(f"--{name}", type=int, default=default)
    asked.add_argument("--repeats", type=int, nargs="+", default=[1, 3])
    options = asked.parse_args()
    for repeats in options.repeats:
        report(repeats, measured(options, repeats))


def measured(options: argparse.Namespace, repeats: int) -> list[Breakdown]:
    """The breakdown of every step."""
    import torch

    torch.set_num_threads(1)
    model, tokenizer = load(pocket_weights("pocket-meta"), attention="eager")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    generator, desk = EmbeddedGenerator(model, tokenizer), Desk()
    chat = Chat("policy", copy.deepcopy(tokenizer))
    worker = LocalModel("pocket-worker", str(pocket_weights("pocket-worker")), device="cpu")
    found: list[Breakdown] = []
    with tempfile.TemporaryDirectory() as folder:
        gym = Gym(worker, Path(folder) / "store.db", prefer="docker", size=options.size)
        with GymThread(gym) as thread, Meter(thread) as meter:
            for step in range(options.steps):
                done = thread.start(requests(options, repeats, step, chat, desk))
                while asks := desk.next_batch():
                    with meter.policy():
                        made = generator.generate([a.prompt for a in asks], [a.sampling for a in asks])
                    desk.answer(asks, made)
                update(model, optimizer, *trained(options, done.result()))
                found.append(meter.take())
    return found


def requests(
    options: argparse.Namespace, repeats: int, step: int, chat: Chat, desk: Desk
) -> list[RolloutRequest]:
    """A step's rollouts: queries × candidates."""
    out = []
    for number, problem in enumerate(generate(7 + step, "train", options.queries)):
        for candidate in range(options.candidates):
            config = RunConfig(
                rounds=options.rounds,
                repeats=repeats,
                seed=1000 * step + 100 * number + candidate,
                worker_seed=1000 * step + number,
            )
            origin = Origin(job="benchmark", step=step, group=f"{step}-{number}", candidate=candidate)
            out.append(RolloutRequest(problem, PolicyModel("policy", chat, desk), config, origin))
    return out


def trained(options: argparse.Namespace, rollouts: list[Rollout]) -> tuple[list[Row], list[list[float]]]:
    """Rows and the advantage of each of their tokens."""
    all_rows: list[Row] = []
    values: list[list[float]] = []
    settings = RewardSettings()
    for first in range(0, len(rollouts), options.candidates):
        group = rollouts[first : first + options.candidates]
        given = [reward(r, options.rounds, settings).rounds for r in group]
        advantages = process_advantages(given, AdvantageSettings(T=0))
        for number, rollout in enumerate(group):
            own = call_advantages(rollout.calls, advantages, number, settings.invalid)
            for row in rows(rollout.calls):
                all_rows.append(row)
                values.append(row.of_calls(own))
    return all_rows, values


def update(model: Any, optimizer: Any, found: list[Row], values: list[list[float]]) -> None:
    """One step of the policy gradient, a row at a time."""
    import torch

    tokens = sum(len(row.completion) for row in found)
    for row, advantages in zip(found, values, strict=True):
        ids = torch.tensor([row.prompt + row.completion])
        logits = model(ids, logits_to_keep=len(row.completion) + 1).logits[0, :-1] / row.temperature
        logps = torch.log_softmax(logits, -1).gather(-1, torch.tensor(row.completion).unsqueeze(1)).squeeze(1)
        (-(torch.tensor(advantages) * logps).sum() / tokens).backward()
    optimizer.step()
    optimizer.zero_grad()


def report(repeats: int, found: list[Breakdown]) -> None:
    later = found[1:] or found
    total = sum(b.total for b in later)
    print(f"{repeats} execution(s) a round, {len(later)} steps after the first:", end=" ")
    print(f"{total / len(later):.1f} CPU s a step")
    for part in PARTS:
        seconds = sum(getattr(b, part) for b in later)
        print(f"  {part:<11}{seconds / len(later):7.2f} s {100 * seconds / total:5.1f} %")
    ours = sum(b.engine + b.recorder + b.containers for b in later)
    print(f"  engine + recorder + sandbox {100 * ours / total:.1f} %", flush=True)


if __name__ == "__main__":
    main()
