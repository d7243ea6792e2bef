"""What happens around the steps of every trainer: progress, alerts, checkpoints, and stopping when asked."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sandbox.errors import UnavailableError
from training.recipes import ModelRecipe
from training.rollouts.meter import Meter
from training.trainers.checkpoints import manifest_of
from training.trainers.probe import HackingWatch
from training.trainers.progress import Progress
from training.trainers.saving import save

# TRL's names of what is the same under ours.
_NAMES = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "entropy": "entropy",
    "kl": "kl",
    "eval_loss": "val_loss",
    "sampling/sampling_logp_difference/mean": "sampling_gap",
    "sampling/importance_sampling_ratio/mean": "importance_mean",
    "sampling/importance_sampling_ratio/min": "importance_min",
    "sampling/importance_sampling_ratio/max": "importance_max",
    "rewards/margins": "reward_margin",
    "rewards/accuracies": "preference_accuracy",
}


class StoppedError(Exception):
    """A step was given up because the trainer was told to stop."""


class NotANumberError(UnavailableError):
    """The loss or its gradient is no number any more; the message says what to do."""


class Hooks(TrainerCallback):
    """One for a run. `progress` is None on ranks other than 0."""

    def __init__(
        self, recipe: ModelRecipe, run_folder: Path, progress: Progress | None, grace_s: float = 30.0
    ) -> None:
        self.recipe, self.run_folder, self.progress, self.grace_s = recipe, run_folder, progress, grace_s
        self.trainer: Any = None
        self.stopping = False
        self.facts: dict[str, Any] = {}  # of the data, for the first line
        self.values: dict[str, float | None] = {}  # what else is known of the step in progress
        self.watch = HackingWatch(run_folder / "progress.jsonl")
        self.meter: Meter | None = None  # where other threads and containers work for the trainer
        self._since: list[dict[str, float | None]] = []  # the steps since the last checkpoint
        self._best_valid, self.step_seconds, self._may_leave = 0.0, 0.0, False
        self._measuring: dict[str, float] = {}
        self._val_loss: float | None = None
        self._began, self._cpu, self._tokens, self._last_tokens = 0.0, 0.0, 0.0, 0.0
        self._raised: set[str] = set()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Stop after the step in progress at SIGTERM or SIGINT."""
        before = {which: signal.signal(which, self._stop) for which in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: Any) -> None:
        self.stopping = True
        left = self.step_seconds - (time.perf_counter() - self._began)
        if self._may_leave and left > 0.8 * self.grace_s:
            raise StoppedError

    @contextlib.contextmanager
    def can_leave(self) -> Iterator[None]:
        """Meanwhile nothing of the model changes: a step that would outlast the grace is given up.

        Raises StoppedError in the block. Not with several ranks, which would wait for each other.
        """
        self._may_leave = int(os.environ.get("WORLD_SIZE", "1")) == 1
        try:
            yield
        finally:
            self._may_leave = False

    def tell(self, kind: str, **values: Any) -> None:
        """Write a line of progress, on rank 0. Raises OSError."""
        if self.progress is not None:
            self.progress.write(kind, **values)

    def alert(self, name: str, text: str) -> None:
        """An event, once for each name until it has passed."""
        if name not in self._raised:
            self._raised.add(name)
            self.tell("alert", name=name, text=text)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write the first line of progress."""
        recipe = self.recipe
        self.tell(
            "start",
            total_steps=state.max_steps,
            base=recipe.model.base,
            dataset=recipe.data.path or None,
            **self.facts,
        )

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clocks of the first step."""
        if not self._began:
            self._began, self._cpu = time.perf_counter(), time.process_time()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write the step's numbers. Raises NotANumberError where its loss or gradient is not finite."""
        logs = logs or {}
        if "eval_loss" in logs:
            self._val_loss = logs["eval_loss"]
            self._step(state.global_step, {**self._measuring, "eval_loss": self._val_loss})
        elif "loss" in logs:
            self._measuring = logs
            if not control.should_evaluate:  # else there is more to say of this step
                self._step(state.global_step, logs)

    def _step(self, step: int, logs: dict[str, float]) -> None:
        values: dict[str, float | None] = {ours: logs[name] for name, ours in _NAMES.items() if name in logs}
        now, cpu = time.perf_counter(), time.process_time()
        seconds = now - self._began
        values["cpu_train"] = cpu - self._cpu
        if "num_tokens" in logs:
            values["tokens_per_s"] = (logs["num_tokens"] - self._last_tokens) / seconds
            self._last_tokens = logs["num_tokens"]
        values |= _gpu() | self.values | (self.meter.take().values() if self.meter else {})
        away = ("seconds_wait_generation", "seconds_execution", "seconds_other")
        values["seconds_training"] = seconds - sum(values.get(name) or 0.0 for name in away)
        if "probe_test_mean" in values:
            values["probe_reward_mean"] = self._mean("reward_mean", values)
        self.values = {}
        self._began, self._cpu, self.step_seconds = now, cpu, seconds
        self._since.append(values)
        self.tell("step", step=step, values=values)
        self._judge(step, values)

    def _judge(self, step: int, values: dict[str, float | None]) -> None:
        limits = self.recipe.alerts
        for name in ("loss", "grad_norm"):
            value = values.get(name)
            if value is not None and not math.isfinite(value):
                text = f"{name} is {value} at step {step}: start again with a lower optimizer.learning_rate"
                self.alert("nan", text)
                raise NotANumberError(text)
        free = shutil.disk_usage(self.run_folder).free / 1e9
        self.check("disk", free < limits.disk_free, f"{free:.1f} GB of disk are free in {self.run_folder}")
        entropy, kl = values.get("entropy"), values.get("kl")
        if entropy is not None:
            out = not limits.entropy_min <= entropy <= limits.entropy_max
            self.check("entropy", out, f"entropy is {entropy:.3f} nats a token at step {step}")
        if kl is not None:
            self.check("kl", kl > limits.kl_max, f"the divergence from the base is {kl:.3f} at step {step}")
        test = values.get("probe_test_mean")
        if test is not None:
            gamed = self.watch.add(values["probe_reward_mean"], test)
            self.check("reward_hacking", gamed is not None, gamed or "")
        std, valid = values.get("reward_std"), values.get("valid_share")
        if std is not None:
            alike = std < limits.reward_std_min
            self.check("reward_std", alike, f"rewards in a group differ by {std:.4f} only at step {step}")
        if valid is not None:
            self._best_valid = max(self._best_valid, valid)
            fell = valid < self._best_valid - limits.valid_drop
            text = f"{valid:.0%} of replies can run at step {step}, {self._best_valid:.0%} could before"
            self.check("valid", fell, text)

    def check(self, name: str, wrong: bool, text: str) -> None:
        """Raise an alert, or note that its reason has passed."""
        if wrong:
            self.alert(name, text)
        else:
            self._raised.discard(name)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Decide whether to measure, to save, and to stop."""
        control.should_log = True
        if self._all_stop():
            control.should_training_stop = True
        due = state.global_step % self.recipe.checkpoints.every == 0
        if due or control.should_training_stop or state.global_step >= state.max_steps:
            control.should_save = True
            control.should_evaluate = self.trainer.eval_dataset is not None

    def _all_stop(self) -> bool:
        """Whether any rank was told to stop: all must leave at the same step."""
        import torch

        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return self.stopping
        flag = torch.tensor([float(self.stopping)], device=self.trainer.accelerator.device)
        self.stopping = bool(self.trainer.accelerator.reduce(flag, "sum").item())
        return self.stopping

    def save(self) -> None:
        """Write a checkpoint; the trainer calls it in place of its own.

        Raises UnavailableError on a full disk.
        """
        metrics = {
            "loss": self._mean("loss"),
            "val_loss": self._val_loss,
            "reward_mean": self._mean("reward_mean"),
        }
        folder = save(self.trainer, self.recipe, self.run_folder, _merit(metrics), metrics)
        self._since = []
        if self.progress is not None:
            self.tell(
                "checkpoint",
                step=self.trainer.state.global_step,
                folder=str(folder.relative_to(self.run_folder)),
                content=manifest_of(folder)["content"],
            )
        if self.meter:
            self.meter.take()  # saving is not training
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def _mean(self, name: str, *more: dict[str, float | None]) -> float | None:
        """Over the steps since the last checkpoint, and what is given."""
        known = [value for values in (*self._since, *more) if (value := values.get(name)) is not None]
        return sum(known) / len(known) if known else None


def _merit(metrics: dict[str, float | None]) -> float | None:
    """What makes a checkpoint better than another: reward, else a low loss, on held-out rows if there are."""
    if metrics["reward_mean"] is not None:
        return metrics["reward_mean"]
    loss = metrics["val_loss"] if metrics["val_loss"] is not None else metrics["loss"]
    return None if loss is None else -loss


def _gpu() -> dict[str, float | None]:
    import torch

    if not torch.cuda.is_available():
        return {}
    values: dict[str, float | None] = {"gpu_memory_mb": torch.cuda.max_memory_reserved() / 1e6}
    with contextlib.suppress(ModuleNotFoundError, RuntimeError):  # no nvidia-ml-py, or the driver is silent
        values["gpu_use"] = torch.cuda.utilization() / 100
    return values
