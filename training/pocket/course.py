"""A course is everything that differs between training the worker and the meta-agent."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from training.pocket import tokens
from training.pocket.worker import Lesson

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_TOKENIZER_LESSONS = 8000


class Course(ABC):
    """Lessons, the tokenizer they need, and a measurement on held-out problems."""

    template: str

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._progress = 0.0

    def set_progress(self, progress: float) -> None:
        """How far training is, from 0 to 1; the mix of lessons may follow it."""
        self._progress = progress

    @abstractmethod
    def next(self) -> Lesson:
        """The next lesson."""
        ...

    @abstractmethod
    def sentences(self) -> list[str]:
        """Fixed texts that become one token each."""
        ...

    @abstractmethod
    def measure(self, model: Any, tokenizer: PreTrainedTokenizerFast) -> str:
        """The model on held-out problems, as one line for people. Raises SandboxError."""

    def tokenizer(self, vocabulary: int) -> PreTrainedTokenizerFast:
        """A tokenizer of `vocabulary` entries, trained on lessons of this course."""
        sample = [self.next() for _ in range(_TOKENIZER_LESSONS)]
        texts = (f"{lesson.messages[-1]['content']}\n{lesson.answer}" for lesson in sample)
        return tokens.train_tokenizer(texts, self.sentences(), self.template, vocabulary)
