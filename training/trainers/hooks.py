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
from training.recipes import Recipe
from training.trainers.checkpoints import manifest_of
from training.trainers.progress import Progress
from training.trainers.saving import save

# TRL's names of what is the same under ours.
_NAMES = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "entropy": "entropy",
    "eval_loss": "val_loss",
    "rewards/margins": "reward_margin",
    "rewards/accuracies": "preference_accuracy",
}


class NotANumberError(UnavailableError):
    """The loss or its gradient is no number any more; the message says what to do."""


class Hooks(TrainerCallback):
    """One for a run. `progress` is None on ranks other than 0."""

    def __init__(self, recipe: Recipe, run_folder: Path, progress: Progress | None) -> None:
        self.recipe, self.run_folder, self.progress = recipe, run_folder, progress
        self.trainer: Any = None
        self.stopping = False
        self.facts: dict[str, Any] = {}  # of the data, for the first line
        self.values: dict[str, float | None] = {}  # what else is known of the step in progress
        self._since: list[float] = []  # the loss of each step since the last checkpoint
        self._measuring: dict[str, float] = {}
        self._val_loss: float | None = None
        self._began, self._cpu, self._tokens, self._last_tokens = 0.0, 0.0, 0.0, 0.0
        self._raised: set[str] = set()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Stop after the step in progress at SIGTERM or SIGINT."""
        before = {n: signal.signal(n, self._stop) for n in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: Any) -> None:
        self.stopping = True

    def tell(self, kind: str, **values: Any) -> None:
        if self.progress is not None:
            self.progress.write(kind, **values)

    def alert(self, name: str, text: str) -> None:
        """An event, once for each name until it has passed."""
        if name not in self._raised:
            self._raised.add(name)
            self.tell("alert", name=name, text=text)

    def passed(self, name: str) -> None:
        self._raised.discard(name)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
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
        values["seconds_training"], values["cpu_train"] = seconds, cpu - self._cpu
        if "num_tokens" in logs:
            values["tokens_per_s"] = (logs["num_tokens"] - self._last_tokens) / seconds
            self._last_tokens = logs["num_tokens"]
        values |= _gpu()
        values |= self.values
        self.values = {}
        self._began, self._cpu = now, cpu
        self._since.append(logs["loss"])
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
        self._check("disk", free < limits.disk_free, f"{free:.1f} GB of disk are free in {self.run_folder}")
        entropy, kl = values.get("entropy"), values.get("kl")
        if entropy is not None:
            out = not limits.entropy_min <= entropy <= limits.entropy_max
            self._check("entropy", out, f"entropy is {entropy:.3f} nats a token at step {step}")
        if kl is not None:
            self._check("kl", kl > limits.kl_max, f"the divergence from the base is {kl:.3f} at step {step}")

    def _check(self, name: str, wrong: bool, text: str) -> None:
        if wrong:
            self.alert(name, text)
        else:
            self.passed(name)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
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
        """What the trainer calls where it would write a checkpoint of its own."""
        loss = sum(self._since) / len(self._since) if self._since else None
        metrics: dict[str, Any] = {"loss": loss, "val_loss": self._val_loss}
        merit = self.merit(metrics)
        folder = save(self.trainer, self.recipe, self.run_folder, merit, metrics)
        self._since = []
        if self.progress is not None:
            self.tell(
                "checkpoint",
                step=self.trainer.state.global_step,
                folder=str(folder.relative_to(self.run_folder)),
                content=manifest_of(folder)["content"],
            )
        # Saving is not training.
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def merit(self, metrics: dict[str, Any]) -> float | None:
        """What makes one checkpoint better than another; None where nothing was measured."""
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
