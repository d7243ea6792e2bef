"""One attempt at a job: open the directory, train, say how it ended."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

from engine.config import Settings
from engine.config import load as load_settings
from sandbox.errors import ExpectedError, UnavailableError
from training.data.rows import data_folder
from training.recipes import DPORecipe, GRPORecipe, MaASRecipe, ModelRecipe, SFTRecipe
from training.recipes.base import check_device
from training.rollouts.server import ServerError
from training.trainers.checkpoints import TRAINER, clean, folder_of
from training.trainers.progress import Progress
from training.trainers.run_directory import RunDirectory
from training.trainers.webhook import webhook

if TYPE_CHECKING:
    from training.trainers.hooks import Hooks


def train(directory: RunDirectory) -> None:
    """Train to the end or until stopped; the last line of progress says which.

    Raises:
        ExpectedError: what a person can act on; it is in the last line as well.
    """
    first = os.environ.get("RANK", "0") == "0"
    with directory.held() if first else contextlib.nullcontext():
        if not first:
            _attempt(directory, None)
            return
        (directory.path / "checkpoints").mkdir(exist_ok=True)
        clean(directory.path)
        settings = load_settings()
        with webhook(settings.alert_webhook, directory.path.name) as hook:
            told = hook.post if hook else None
            progress = Progress(directory.path / "progress.jsonl", directory.attempt, told)
            with _ends(progress):
                stopped = _attempt(directory, progress)
                progress.write("end", status="stopped" if stopped else "done", error=None)


def _attempt(directory: RunDirectory, progress: Progress | None) -> bool:
    """Returns whether it was stopped before its end."""
    recipe = directory.recipe
    if isinstance(recipe, ModelRecipe):
        data_folder(recipe.data.path)  # before the seconds that the imports take
    import datasets

    datasets.disable_progress_bars()  # the log is for what went wrong
    if isinstance(recipe, MaASRecipe):
        from training.trainers import maas

        assert progress is not None  # it has one process
        return maas.train(recipe, directory, load_settings(), progress)
    assert isinstance(recipe, ModelRecipe)  # there are no other kinds
    check_device(recipe)  # before anything is looked for that only a machine with GPUs needs
    return _train_model(recipe, directory, progress)


def _train_model(recipe: ModelRecipe, directory: RunDirectory, progress: Progress | None) -> bool:
    """A language model, with Transformers, whose import takes seconds; returns as `_attempt` does."""
    import transformers

    from training.trainers.hooks import Hooks, StoppedError

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    hooks = Hooks(recipe, directory.path, progress, directory.grace_s)
    with (
        hooks.listening(),
        gpus_there(recipe, hooks),
        _memory(recipe, hooks),
        contextlib.ExitStack() as stack,
    ):
        trainer = _make(recipe, directory.path, load_settings(), hooks, stack)
        # The log has the steps in words, progress.jsonl all numbers.
        trainer.remove_callback(transformers.PrinterCallback)
        newest = directory.newest_checkpoint()
        try:
            trainer.train(resume_from_checkpoint=str(newest / TRAINER) if newest else None)
        except (StoppedError, ServerError) as error:  # between two steps: the weights are whole
            step = trainer.state.global_step
            if step and not folder_of(directory.path, step).exists():
                hooks.save()
            if isinstance(error, ServerError):
                raise
    return hooks.stopping and trainer.state.global_step < trainer.state.max_steps


def _make(
    recipe: ModelRecipe, folder: Path, settings: Settings, hooks: Hooks, stack: contextlib.ExitStack
) -> Any:
    if isinstance(recipe, SFTRecipe):
        from training.trainers import sft

        return sft.make(recipe, folder, settings, hooks)
    if isinstance(recipe, DPORecipe):
        from training.trainers import dpo

        return dpo.make(recipe, folder, settings, hooks)
    assert isinstance(recipe, GRPORecipe)  # there are no other kinds
    from training.trainers import grpo

    return grpo.make(recipe, folder, settings, hooks, stack)


@contextlib.contextmanager
def _ends(progress: Progress) -> Iterator[None]:
    """Write how an attempt failed as its last line, and close the file."""
    try:
        yield
    except ExpectedError as error:
        progress.write("end", status="failed", error=str(error))
        raise
    except Exception as error:
        progress.write(
            "end", status="failed", error=f"{type(error).__name__}: {error} (the log has the traceback)"
        )
        raise
    finally:
        progress.close()


@contextlib.contextmanager
def _memory(recipe: ModelRecipe, hooks: Hooks) -> Iterator[None]:
    """Out of memory is said with the setting to halve."""
    import torch

    try:
        yield
    except (MemoryError, RuntimeError) as error:
        ours = isinstance(error, MemoryError | torch.cuda.OutOfMemoryError)
        if not ours and "can't allocate memory" not in str(error):
            raise
        step = hooks.trainer.state.global_step + 1 if hooks.trainer is not None else 0
        when = f"in step {step}" if step else "while the model was loaded"
        raise UnavailableError(
            f"out of memory {when}: {_smaller(recipe)}; the checkpoints so far are whole"
        ) from None


@contextlib.contextmanager
def gpus_there(recipe: ModelRecipe, hooks: Hooks) -> Iterator[None]:
    """A failure on a GPU that is gone is said as that, and is an alert.

    Raises UnavailableError in place of what CUDA raised.
    """
    try:
        yield
    except RuntimeError:
        lost = _lost_gpus() if recipe.hardware.device == "cuda" else ""
        if not lost:
            raise
        hooks.alert("gpu_lost", lost)
        raise UnavailableError(
            f"{lost}; the checkpoints so far are whole: resume the job once it is back, or on other GPUs"
        ) from None


def _lost_gpus() -> str:
    """Which of the GPUs that this process was given are gone, as nvidia-smi has it; "" where none is."""
    from training.jobs.host.gpus import gpus

    given = [int(word) for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if word.isdecimal()]
    there = gpus()
    if there is None:
        return "nvidia-smi does not answer any more: a GPU is lost" if given and which("nvidia-smi") else ""
    lost = [str(gpu) for gpu in given if gpu not in there]
    return f"nvidia-smi does not list GPU {', '.join(lost)} any more: lost" if lost else ""


def _smaller(recipe: ModelRecipe) -> str:
    """The one setting to change so that less memory is needed."""
    key, rows = recipe.at_once
    if rows > 1:
        return f"halve {key} (now {rows})"
    if not recipe.model.checkpointing:
        return "set model.checkpointing=true"
    if not recipe.lora.enabled:
        return "set lora.enabled=true, or divide the model over more GPUs with hardware.sharding=fsdp2"
    return f"halve data.max_length (now {recipe.data.max_length})"
