"""Every private point of TRL and Transformers that this project relies on, and nothing else.

Tests hold each of them to what is used here; a release that moves one fails there, not in a run.
`pyproject.toml` pins trl exactly for the same reason.
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
_STATE = (
    "optimizer",
    "scheduler",
    "scaler",
    "rng_state",
    "trainer_state",
    "training_args",
    "adapter_",
    "pytorch_model_fsdp",
)
_PREFIX = "checkpoint-"


class Checkpointing(_Base):
    """Mixed into a TRL trainer: its checkpoints are made by `save`, in a folder that `save` gives.

    Relies on `_save_checkpoint(model, trial)`, which writes `checkpoint-STEP` under `args.output_dir`, and on
    `_load_from_checkpoint(folder, model)`, which loads weights or an adapter from a folder.
    """

    save: Callable[[], None]
    args: Any
    model: Any

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


PairLoss = Callable[[Any, Any, Any], Any]
PAIR_COLUMNS = ("score_chosen", "score_rejected", "weight")


def preference_trainer(pair_loss: PairLoss) -> type:
    """A `DPOTrainer` whose loss is the mean of `pair_loss(r_w, r_l, columns)` over the pairs of a batch.

    r_w and r_l are log pi - log pi_ref of the preferred and the other reply, (pairs,) tensors in nats;
    `columns` has a tensor for each of `PAIR_COLUMNS`. The reference's log-probabilities must have been
    computed before (`precompute_ref_log_probs`).

    Its rows are tokens already (`training.data.rows.pairs`).

    Relies on `_prepare_dataset`, `_compute_loss(model, inputs, return_outputs)`, `compute_ref_log_probs`,
    `_set_signature_columns_if_needed`, the collator's `torch_call`, the patched forward's `log_probs` (zero
    where labels are ignored) and `entropy`, `_metrics` and `_total_train_tokens`.
    """
    import torch
    from trl.trainer.dpo_trainer import DPOTrainer

    class PreferenceTrainer(Checkpointing, DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

        def _set_signature_columns_if_needed(self) -> None:
            super()._set_signature_columns_if_needed()
            known = self._signature_columns or []
            self._signature_columns = [*known, *(c for c in PAIR_COLUMNS if c not in known)]

        def compute_ref_log_probs(self, model: Any, inputs: dict[str, Any]) -> Any:
            rest = {name: value for name, value in inputs.items() if name not in PAIR_COLUMNS}
            return super().compute_ref_log_probs(model, rest)

        def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
            mode = "train" if self.model.training else "eval"
            ids, mask = inputs["input_ids"], inputs["attention_mask"]
            labels = ids.masked_fill(inputs["completion_mask"] == 0, -100)
            out = model(
                input_ids=ids, attention_mask=mask, labels=labels, use_cache=False, fused_lm_head=True
            )
            learned = inputs["completion_mask"][:, 1:]
            chosen, rejected = out.log_probs.sum(1).chunk(2)
            chosen, rejected = chosen - inputs["ref_chosen_logps"], rejected - inputs["ref_rejected_logps"]
            losses = pair_loss(
                chosen, rejected, {name: inputs[name] for name in PAIR_COLUMNS if name in inputs}
            )

            def gather(value: Any) -> Any:
                return self.accelerator.gather_for_metrics(value)

            with torch.no_grad():
                entropy = gather((out.entropy * learned).sum()).sum() / gather(learned.sum()).sum()
                self._total_train_tokens += int(gather(mask.sum()).sum()) if mode == "train" else 0
                margins = gather(self.beta * (chosen - rejected))
                self._metrics[mode]["entropy"].append(entropy.item())
                self._metrics[mode]["rewards/margins"].append(margins.mean().item())
                self._metrics[mode]["rewards/accuracies"].append((margins > 0).float().mean().item())
                self._metrics[mode]["num_tokens"] = [self._total_train_tokens]
            return (losses.mean(), out) if return_outputs else losses.mean()

    return PreferenceTrainer


def preference_collator(pad_token_id: int) -> Any:
    """TRL's collator of preference pairs, which also passes on `PAIR_COLUMNS`."""
    import torch
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    class Collator(DataCollatorForPreference):
        def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
            batch = super().torch_call(examples)
            for name in PAIR_COLUMNS:
                if name in examples[0]:
                    batch[name] = torch.tensor([float(e[name]) for e in examples])
            return batch

    return Collator(pad_token_id=pad_token_id)
