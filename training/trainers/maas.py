"""MaAS's controller, trained on what its architectures are worth when they are run.

The loss is REINFORCE's, -mean(log p(G | q) U) with U = score - weight * cost, over the problems of a batch
that came to a verdict (`engine.variants.maas_controller`). An architecture is a workflow like any other,
carried out by the engine in the sandbox and stored in the job's store.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import Settings
from engine.events import Event, RunFinished
from engine.ids import derived_seed
from engine.models.registry import open_model
from engine.problems import Kind, Problem
from engine.run.context import Origin, RunConfig
from engine.run.limits import ExecutionLimits
from engine.runner import workflow_job
from engine.variants.maas_checkpoint import read_controller, write_controller
from engine.variants.maas_controller import Architecture, policy_loss, utility
from engine.variants.maas_render import first_instructions, render, verifies
from engine.variants.maas_supernet import MaASOptions, Supernet
from sandbox.errors import UnavailableError, UsageError
from training.data.rows import open_data, problems_of
from training.recipes import MaASRecipe
from training.rollouts.rewards import NO_VERDICT
from training.rollouts.rollouts import Gym
from training.rollouts.tasks import scored_on
from training.trainers.checkpoints import TRAINER, folder_of, manifest_of, prune, replacing, seal
from training.trainers.progress import Progress
from training.trainers.run_directory import RunDirectory
from training.trainers.step_report import mean
from training.trainers.subjects import refuse_reported, reported_problems

_OPTIMIZER = "optimizer.pt"


@dataclass
class Tried:
    """An architecture for a problem, and what its run came to: `score` is None without a verdict."""

    problem: Problem
    architecture: Architecture
    run_id: str = ""
    status: str = "cancelled"
    score: float | None = None
    cost_usd: float | None = None

    def add(self, event: Event) -> None:
        """Reads a run's events (`training.rollouts.rollouts.Reader`)."""
        if isinstance(event, RunFinished):
            self.status, self.cost_usd = event.status, event.cost_usd
            unknown = event.val_score is None and event.status in NO_VERDICT
            self.score = None if unknown else event.val_score or 0.0

    def utility(self, cost_weight: float) -> float | None:
        """What it is worth; None without a verdict."""
        return None if self.score is None else utility(self.score, self.cost_usd, cost_weight)


def train(recipe: MaASRecipe, directory: RunDirectory, settings: Settings, progress: Progress) -> bool:
    """Train to the end or until TERM, from the newest checkpoint on; whether it was stopped before its end.

    Raises ExpectedError: the data, the worker or the sandbox cannot be used.
    """
    problems = problems_of(open_data(recipe.data.path))
    refuse_reported(problems, reported_problems(recipe.data.reported, settings.data))
    if len(kinds := sorted({problem.kind for problem in problems})) != 1:
        raise UsageError(
            f"the data set has problems of the kinds {', '.join(kinds)}: a controller is for one; divide it"
        )
    for problem in problems:
        scored_on(problem)  # now rather than in the middle of a run
    return asyncio.run(_Training(recipe, directory, settings, progress, problems).run())


class _Training:
    """One attempt."""

    def __init__(
        self,
        recipe: MaASRecipe,
        directory: RunDirectory,
        settings: Settings,
        progress: Progress,
        problems: Sequence[Problem],
    ) -> None:
        given = recipe.controller
        self.recipe, self.folder, self.progress = recipe, directory.path, progress
        self.settings, self.problems, self.stopping = settings, problems, False
        self.kind: Kind = problems[0].kind
        self.instructions, self.verify = first_instructions(self.kind), verifies(problems[0])
        shape = given.model_dump(include={"layers", "hidden", "threshold", "encoder"})
        options = MaASOptions.model_validate(shape)
        seed = derived_seed(recipe.seed, "weights")
        self.net = Supernet(self.kind, options, seed)
        self.done, self._since = 0, []
        if newest := directory.newest_checkpoint():
            self._load(newest)
        self.optimizer = self.net.controller.optimizer(given.learning_rate)
        if newest:
            self._load_optimizer(newest / TRAINER / _OPTIMIZER)

    @property
    def steps_of_pass(self) -> int:
        return math.ceil(len(self.problems) / self.recipe.batch)

    async def run(self) -> bool:
        total = self.recipe.repetitions * self.steps_of_pass
        facts = {"base": None, "dataset": self.recipe.data.path, "rows": len(self.problems), "tokens": None}
        self.progress.write("start", total_steps=total, **facts)
        worker = open_model(self.recipe.worker, self.settings)
        sandbox = self.settings.sandbox
        store, hosts = self.folder / "store.db", self.settings.docker_hosts
        gym = Gym(worker, store, prefer=sandbox.backend, hosts=hosts, runtime=sandbox.runtime)
        async with gym:
            with self._listening():
                while self.done < total and not self.stopping:
                    await self._step(gym, worker)
                    if self.done % self.recipe.checkpoints.every == 0 or self.done == total or self.stopping:
                        self._save()
        return self.done < total

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Stop after the step in progress at SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.stopping = True

    async def _step(self, gym: Gym, worker: Any) -> None:
        began, step = time.perf_counter(), self.done
        start = step % self.steps_of_pass * self.recipe.batch
        batch = self.problems[start : start + self.recipe.batch]
        tried = [
            Tried(problem, self.net.sample(problem, self._seed("draw", step, problem.id)))
            for problem in batch
        ]
        async with asyncio.TaskGroup() as group:
            for number, one in enumerate(tried):
                group.create_task(self._try(gym, worker, one, step, number))
        executed = time.perf_counter() - began
        values = learn(self.net, self.optimizer, tried, self.recipe.controller.cost_weight)
        self.done += 1
        values |= {"seconds_execution": executed, "seconds_training": time.perf_counter() - began - executed}
        self._since.append(values)
        self._tell(tried, step)
        self.progress.write("step", step=self.done, values=values)
        free = shutil.disk_usage(self.folder).free / 1e9
        if free < self.recipe.alerts.disk_free:
            text = f"{free:.1f} GB of disk are free in {self.folder}"
            self.progress.write("alert", name="disk", text=text)

    def _seed(self, *of: object) -> int:
        return derived_seed(self.recipe.seed, *map(str, of))

    async def _try(self, gym: Gym, worker: Any, one: Tried, step: int, number: int) -> None:
        workflow = render(one.architecture, self.kind, self.instructions, verify=self.verify)
        limits = ExecutionLimits(**self.recipe.limits.model_dump())
        config = RunConfig(
            variant="maas",
            repeats=1,
            seed=self._seed("run", step, one.problem.id),
            operators=workflow.operators,
            execution_limits=limits,
        )
        origin = Origin(job=self.folder.name, step=step, group=f"{step}.{number}", candidate=0)
        job = workflow_job(workflow, scored_on(one.problem))
        one.run_id = await gym.run(one.problem, worker, config, origin, one, job=job)

    def _tell(self, tried: Sequence[Tried], step: int) -> None:
        """A group for each problem, with the one architecture that was tried."""
        groups = []
        for number, one in enumerate(tried):
            worth = one.utility(self.recipe.controller.cost_weight)
            rounds = [] if worth is None else [worth]
            candidate = {"run": one.run_id, "score": one.score, "reward": worth}
            told = {"rounds": rounds, "advantages": rounds, "words": str(one.architecture)}
            group = {"group": f"{step}.{number}", "problem": one.problem.id}
            groups.append(group | {"candidates": [candidate | told]})
        self.progress.write("rollouts", step=step + 1, groups=groups)

    def _save(self) -> None:
        import torch

        final = folder_of(self.folder, self.done)
        rewards = [value for values in self._since if (value := values["reward_mean"]) is not None]
        scores = [value for values in self._since if (value := values["val_score_mean"]) is not None]
        with replacing(final) as folder:
            write_controller(folder, self.net.found(self.instructions) | {"val_score": mean(scores)})
            (folder / TRAINER).mkdir()
            torch.save(self.optimizer.state_dict(), folder / TRAINER / _OPTIMIZER)
            seal(folder, {"step": self.done, "base": None, "merit": mean(rewards)})
        self._since = []
        prune(self.folder, self.recipe.checkpoints.keep, lambda manifest: manifest.get("merit"))
        told = {"folder": str(final.relative_to(self.folder)), "content": manifest_of(final)["content"]}
        self.progress.write("checkpoint", step=self.done, **told)

    def _load(self, folder: Path) -> None:
        self.net.controller.load(read_controller(str(folder))["controller"])
        self.done = int(manifest_of(folder)["step"])

    def _load_optimizer(self, path: Path) -> None:
        import torch

        self.optimizer.load_state_dict(torch.load(path, weights_only=True))


def learn(
    net: Supernet, optimizer: Any, tried: Sequence[Tried], cost_weight: float
) -> dict[str, float | None]:
    """One update from a batch, and its numbers. Where none has a verdict nothing is learned.

    Raises UnavailableError: the loss is no number.
    """
    import torch

    worth = [(one, value) for one in tried if (value := one.utility(cost_weight)) is not None]
    loss = norm = None
    if worth:
        log_probs = [net.log_prob(one.problem, one.architecture) for one, _ in worth]
        objective = policy_loss(log_probs, [value for _, value in worth])
        optimizer.zero_grad()
        objective.backward()
        loss = objective.item()
        gradients = [weight.grad for weight in net.controller.weights.values() if weight.grad is not None]
        norm = torch.linalg.vector_norm(torch.cat([gradient.flatten() for gradient in gradients])).item()
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise UnavailableError("the loss is no number: start again with a lower controller.learning_rate")
        optimizer.step()
    different = len({str(one.architecture) for one in tried})
    return {
        "loss": loss,
        "grad_norm": norm,
        "reward_mean": mean([value for _, value in worth]),
        "val_score_mean": mean([one.score for one in tried if one.score is not None]),
        "cost_usd_mean": mean([one.cost_usd for one in tried if one.cost_usd is not None]),
        "same_workflow_share": 1 - different / len(tried),
        "dropped_rollouts": float(len(tried) - len(worth)),
    }
