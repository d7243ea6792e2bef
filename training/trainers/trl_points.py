"""Every private point of TRL and Transformers that this project relies on, and nothing else.

Tests hold each of them to what is used here; a release that moves one fails there, not in a run. `pyproject.toml`
pins trl exactly for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.trainers.checkpoints import TRAINER

if TYPE_CHECKING:
    from transformers import Trainer as _Base
else:
    _Base = object

# Files of Transformers' own checkpoint that resuming needs; what else it writes is the model.
_STATE = ("optimizer", "scheduler", "scaler", "rng_state", "trainer_state", "training_args", "adapter_", "pytorch_model_fsdp")
_PREFIX = "checkpoint-"


class Checkpointing(_Base):
    """Mixed into a TRL trainer: its checkpoints are made by `save`, in a folder that `save` gives.

    Relies on `_save_checkpoint(model, trial)`, which writes `checkpoint-STEP` under `args.output_dir`, and on
    `_load_from_checkpoint(folder, model)`, which loads weights or an adapter from a folder.
    """

    save: Callable[[], None]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.save()

    def write_state(self, folder: Path) -> None:
        """Write model, tokenizer and the state for resuming into `folder`; every rank must call it."""
        kept, self.args.output_dir = self.args.output_dir, str(folder)
        try:
            super()._save_checkpoint(self.model, None)
        finally:
            self.args.output_dir = kept
        if self.args.should_save:
            written = next(folder.glob(f"{_PREFIX}*"))
            trainer = folder / TRAINER
            trainer.mkdir()
            for path in sorted(written.iterdir()):
                path.rename((trainer if path.name.startswith(_STATE) else folder) / path.name)
            written.rmdir()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        state = Path(resume_from_checkpoint)
        has_own = any(state.glob("adapter_*")) or any(state.glob("pytorch_model_fsdp*"))
        super()._load_from_checkpoint(str(state if has_own else state.parent), model)
