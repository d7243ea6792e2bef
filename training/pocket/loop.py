"""The training loop both models share: Muon on matrices, AdamW on the rest, bf16, compiled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.pocket.batches import IGNORED

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Schedule:
    """Ends after `steps`, or after `minutes` if steps is None; the rate follows whichever ends it.

    With `steps` a run is reproducible; with `minutes` it depends on the machine's speed.
    """

    minutes: float | None
    steps: int | None = None
    rate: float = 3e-3
    warm_up: int = 60
    flat: float = 0.4
    final: float = 0.02
    done: float = 0.0  # where a resumed run starts; steps and minutes are those of the rest

    def progress(self, step: int, seconds: float) -> float:
        """How far the schedule is, from `done` to 1, after `step` steps and `seconds`."""
        part = seconds / (60 * (self.minutes or 1.0)) if self.steps is None else step / self.steps
        return self.done + (1 - self.done) * part

    def factor(self, step: int, progress: float) -> float:
        """What the rate is multiplied by: warm-up, a flat part, then a line down to `final`."""
        down = max(0.0, progress - self.flat) / (1 - self.flat)
        return min((step + 1) / self.warm_up, max(self.final, 1 - down * (1 - self.final)))


def optimizers(model: Any, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices, AdamW for embeddings and vectors."""
    import torch

    hidden = [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and "embed" not in name
    ]
    others = [
        parameter for name, parameter in model.named_parameters() if parameter.ndim != 2 or "embed" in name
    ]
    return [
        torch.optim.Muon(
            hidden, lr=rate, momentum=0.95, weight_decay=0.02, adjust_lr_fn="match_rms_adamw", ns_steps=5
        ),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.97), weight_decay=0.0),
    ]


def loss_of(model: Any, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the answers' tokens. `ids` and `labels` are (rows, length)."""
    import torch

    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=ids, use_cache=False).logits
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED
    )


def train(
    model: Any,
    data: Iterator[tuple[torch.Tensor, torch.Tensor, int]],
    schedule: Schedule,
    *,
    compiled: bool = True,
    set_progress: Callable[[float], None] = lambda progress: None,
    report: Callable[[str], None] = lambda line: None,
    pause: Callable[[], None] = lambda: None,
    pause_every: float = 330.0,
) -> list[float]:
    """Train in place and return every step's loss.

    `set_progress` moves the mix of lessons; `pause` is called every `pause_every` seconds of training
    to save and evaluate, off the clock.
    """
    import torch

    # dynamic=False: one compilation per bucket length instead of slow shape-generic code.
    forward = torch.compile(loss_of, dynamic=False) if compiled else loss_of
    steppers = optimizers(model, schedule.rate)
    losses: list[float] = []
    started = last_pause = last_report = time.monotonic()
    away, tokens = 0.0, 0
    model.train()
    while True:
        elapsed = time.monotonic() - started - away
        progress = schedule.progress(len(losses), elapsed)
        if progress >= 1:
            return losses
        set_progress(progress)
        factor = schedule.factor(len(losses), progress)
        ids, labels, count = next(data)
        loss = forward(model, ids, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for stepper in steppers:
            for group in stepper.param_groups:
                group["lr"] = schedule.rate * factor
            stepper.step()
            stepper.zero_grad(set_to_none=True)
        losses.append(loss.item())
        tokens += count
        now = time.monotonic()
        if now - last_report > 15:
            recent = losses[-50:]
            speed = tokens / (now - started - away)
            report(
                f"{elapsed / 60:5.1f} min  step {len(losses):5d}  loss {sum(recent) / len(recent):.4f}"
                f"  {speed:6.0f} tok/s  {tokens / 1e6:.2f}M tokens"
            )
            last_report = now
        if now - last_pause > pause_every:
            model.eval()
            pause()
            model.train()
            last_pause = last_report = time.monotonic()
            away += last_pause - now
