"""Every private point of TRL and Transformers that this project relies on, and nothing else.

Tests hold each of them to what is used here; a release that moves one fails there, not in a run.
`pyproject.toml` pins trl exactly for the same reason.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.models.base import Sampling
from training.rollouts.generators import Generated
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
    """Mixed into a TRL trainer: its checkpoints are made by `save`, in a folder that `save` gives, and its
    first step has a learning rate.

    Relies on `_save_checkpoint(model, trial)`, which writes `checkpoint-STEP` under `args.output_dir`, on
    `_load_from_checkpoint(folder, model)`, which loads weights or an adapter from a folder, and on
    `create_scheduler(steps, optimizer)`, which reads `args.warmup_steps`.
    """

    save: Callable[[], None]
    args: Any
    model: Any

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.save()

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Transformers' schedule, one step ahead: by itself its warm-up begins with a step at rate 0."""
        if self.lr_scheduler is not None:
            return self.lr_scheduler
        self.args.warmup_steps = max(1, self.args.warmup_steps)
        scheduler = super().create_scheduler(num_training_steps + 1, optimizer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the optimizer has not made its step yet
            scheduler.step()
        return scheduler

    def write_state(self, folder: Path) -> None:
        """Write model, tokenizer and the state for resuming into `folder`, which one rank has made.

        Every rank calls it.
        """
        self.accelerator.wait_for_everyone()
        kept, self.args.output_dir = self.args.output_dir, str(folder)
        try:
            super()._save_checkpoint(self.model, None)
        finally:
            self.args.output_dir = kept
        self.accelerator.wait_for_everyone()  # each rank writes the state of its generators
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
    `_precompute_ref_logps(dataset, name, batch_size)`, which asks the data set's `_get_cache_file_path` for
    its file, `_set_signature_columns_if_needed`, the collator's `torch_call`, the patched forward's
    `log_probs` (zero where labels are ignored) and `entropy`, `_metrics` and `_total_train_tokens`.
    """
    import torch
    from accelerate.utils import broadcast_object_list
    from trl.trainer.dpo_trainer import DPOTrainer

    class PreferenceTrainer(Checkpointing, DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

        def _set_signature_columns_if_needed(self) -> None:
            super()._set_signature_columns_if_needed()
            known = self._signature_columns or []
            self._signature_columns = [*known, *(column for column in PAIR_COLUMNS if column not in known)]

        def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
            # Rank 0 writes them to a file that every rank then reads. Of a data set in memory, each rank
            # would look for that file under a random name of its own.
            file = [dataset._get_cache_file_path(dataset._fingerprint)]
            broadcast_object_list(file, from_process=0)
            dataset._get_cache_file_path = lambda fingerprint: file[0]
            return super()._precompute_ref_logps(dataset, name, batch_size)

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
            with torch.no_grad():
                # Of all rows of the loss, be they an epoch's first ones again that fill up its last batch.
                # What `gather_for_metrics` leaves out is another number once a run was resumed.
                gather: Any = self.accelerator.gather
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
                    batch[name] = torch.tensor([float(example[name]) for example in examples])
            return batch

    return Collator(pad_token_id=pad_token_id)


@dataclass(frozen=True)
class TrainedRow:
    """A sequence to train on: for each token of `completion` its advantage, 0 in `mask` where the policy did
    not write it, and the log-probability it was sampled with.
    """

    prompt: Sequence[int]
    completion: Sequence[int]
    advantages: Sequence[float]
    mask: Sequence[int]
    logps: Sequence[float]


def rows_trainer(
    collect: Callable[[list[dict[str, Any]]], list[TrainedRow]], *, corrects: bool = False
) -> type:
    """A `GRPOTrainer` that trains on the rows that `collect` makes of a step's inputs.

    `inputs` are this rank's part of the step, each data set row as often as there are candidates; every rank
    may make another number of rows. Rows that only fill up have nothing unmasked and count for nothing.

    `corrects` weighs the loss by the ratio of the policy in training to the one that was sampled, cut off as
    `vllm_importance_sampling_mode` and `vllm_importance_sampling_clip_max` say.

    Relies on `rollout_func` and its `env_mask`, on `_generate_and_score_completions(inputs)`, whose
    "advantages" may be (rows, tokens), and on `_compute_loss` taking those. To correct, on `use_vllm`, which
    besides has TRL send weights where `_last_loaded_step` is another step; both are set here, once TRL has
    not started vLLM itself.
    """
    import torch
    from trl.trainer.grpo_trainer import GRPOTrainer

    class RowsTrainer(Checkpointing, GRPOTrainer):
        def __init__(self, **kwargs: Any) -> None:
            nothing: Any = _nothing
            os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # that this may change is why it is here
            super().__init__(reward_funcs=nothing, rollout_func=_held_rows, **kwargs)
            self.held: list[TrainedRow] = []
            self.use_vllm = self.use_vllm or corrects

        def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
            tokenizer: Any = self.processing_class
            rows = collect(inputs)
            unit = math.lcm(self.num_generations or 1, self.args.steps_per_generation or 1)
            mine = torch.tensor([max(1, -(-len(rows) // unit)) * unit], device=self.accelerator.device)
            count = int(_gathered(self, mine).max())
            end: list[int] = [tokenizer.eos_token_id]
            self.held = [*rows, *[TrainedRow(end, end, [0.0], [0], [0.0])] * (count - len(rows))]
            if corrects:
                self._last_loaded_step = self.state.global_step  # `collect` has sent them
            out: dict[str, Any] = super()._generate_and_score_completions([{"prompt": ""}] * count)
            advantages = torch.zeros(out["completion_ids"].shape, dtype=torch.float32)
            for line, row in zip(advantages, self.held, strict=True):
                line[: len(row.advantages)] = torch.tensor(row.advantages)
            out["advantages"] = advantages.to(self.accelerator.device)
            return out

    return RowsTrainer


def _gathered(trainer: Any, value: Any) -> Any:
    return trainer.accelerator.gather(value)


def _nothing(prompts: list[Any], **kwargs: Any) -> list[float]:
    """TRL wants a reward function; the rewards that count are in the rows' advantages."""
    return [0.0] * len(prompts)


def _held_rows(prompts: list[Any], trainer: Any) -> dict[str, Any]:
    """TRL's `rollout_func`: the rows that the trainer holds."""
    return {
        "prompt_ids": [list(row.prompt) for row in trainer.held],
        "completion_ids": [list(row.completion) for row in trainer.held],
        "logprobs": [list(row.logps) for row in trainer.held],
        "env_mask": [list(row.mask) for row in trainer.held],
    }


class ColocatedGenerator:
    """vLLM on the trainer's GPUs, as TRL runs it. Not run by this project: it has had no such machine.

    Relies on `vllm_generation.sync_weights()`, `_last_loaded_step` and
    `_generate_single_turn(prompts, images, fields, generations)`. vLLM draws from a generator of its own, so
    that a resumed run is not the same to the last digit.
    """

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer

    def generate(self, prompts: Sequence[list[int]], sampling: Sequence[Sampling]) -> list[Generated]:
        """As `training.rollouts.generators.Generator` has it."""
        trainer = self._trainer
        if trainer.state.global_step != trainer._last_loaded_step:
            trainer.vllm_generation.sync_weights()
            trainer._last_loaded_step = trainer.state.global_step
        ids, logps = trainer._generate_single_turn(list(prompts), None, {}, 1)
        ends = set(trainer.eos_token_ids)
        return [
            Generated(
                list(tokens),
                list(token_logps),
                trainer.args.temperature,
                "stop" if tokens and tokens[-1] in ends else "length",
            )
            for tokens, token_logps in zip(ids, logps, strict=True)
        ]
