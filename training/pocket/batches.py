"""Lessons to tensors: a few fixed shapes, because every new shape is compiled anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from training.pocket import tokens
from training.pocket.worker import Lesson

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

IGNORED = -100


def encode(tokenizer: PreTrainedTokenizerFast, lesson: Lesson) -> tuple[list[int], int]:
    """Token ids of prompt and answer, and where the answer starts."""
    start = tokenizer.encode(tokens.templated(tokenizer, lesson.messages), add_special_tokens=False)
    answer = tokenizer.encode(lesson.answer + tokens.END, add_special_tokens=False)
    return start + answer, len(start)


def batches(
    tokenizer: PreTrainedTokenizerFast,
    lesson: Callable[[], Lesson],
    lengths: tuple[int, ...],
    batch_tokens: int,
) -> Iterator[tuple[torch.Tensor, torch.Tensor, int]]:
    """Endless (ids, labels, number of real tokens); ids and labels are (rows, length).

    A lesson waits in the bucket of its length until that is full. Lessons longer than the last of `lengths`
    are skipped.
    """
    import torch

    pad = tokens.token_id(tokenizer, tokens.PAD)
    buckets: dict[int, list[tuple[list[int], int]]] = {n: [] for n in lengths}
    while True:
        ids, start = encode(tokenizer, lesson())
        length = next((n for n in lengths if len(ids) <= n), None)
        if length is None:
            continue
        bucket = buckets[length]
        bucket.append((ids, start))
        if len(bucket) < batch_tokens // length:
            continue
        rows = torch.full((len(bucket), length), pad)
        labels = torch.full((len(bucket), length), IGNORED)
        for row, label, (ids, start) in zip(rows, labels, bucket, strict=True):
            row[: len(ids)] = torch.tensor(ids)
            label[start : len(ids)] = torch.tensor(ids[start:])
        count = sum(len(ids) for ids, _ in bucket)
        bucket.clear()
        yield rows, labels, count
