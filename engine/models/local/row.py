"""One answer that is being decoded."""

from __future__ import annotations

import random
from dataclasses import asdict

from engine.models.base import Completion, Delta
from engine.models.local.chat import completion_of
from engine.models.local.sampling import Choice
from engine.models.local.text import TextStream

_REPEATED = 384  # tokens at the end of an answer that one piece fills again and again
_PIECE = 48  # tokens of such a piece, at most
_LOOK = 32  # tokens between looks


def repeats(tokens: list[int]) -> bool:
    """Whether an answer ends in nothing but one short piece, over and over: it would never end by itself."""
    end = tokens[-_REPEATED:]
    return len(end) == _REPEATED and any(end[size:] == end[:-size] for size in range(1, _PIECE + 1))


class DecodingRow:
    """One answer being decoded. `finish` is None until the answer is complete."""

    def __init__(
        self,
        prompt: list[int],
        room: int,
        choice: Choice,
        seed: int | None,
        text: TextStream,
        *,
        default_room: bool = False,
        keeps_logps: bool = False,
        ends_repetition: bool = False,
    ) -> None:
        """`room` is how many tokens the answer may have; `default_room` says that nobody chose it. Without a
        `seed` every call draws other numbers. `keeps_logps` records the log-probability of each token.
        `ends_repetition` cuts the answer off where it only repeats itself.
        """
        self._ends_repetition, self._repeats = ends_repetition, False
        self.keeps_logps = keeps_logps
        self.tokens: list[int] = []  # with the one that ends the answer
        self.logps: list[float] = []  # of each token, where they are kept
        self._default_room = default_room
        self.prompt, self.choice, self._room, self._text = prompt, choice, room, text
        self._seed, self._random = seed, random.Random(seed)
        self.finish: str | None = None

    @property
    def made(self) -> int:
        """How many tokens the answer has."""
        return len(self.tokens)

    def draw(self) -> float:
        """The row's next random number: a seeded row draws the same ones whoever shares its batch."""
        return self._random.random()

    def accept(self, token: int, ends: frozenset[int]) -> list[Delta]:
        """Take the chosen token and return the deltas it makes certain. Sets `finish` where the answer is
        complete: at a token in `ends`, a stop string, the last token there is room for, or repetition.
        """
        self.tokens.append(token)
        out: list[Delta] = []
        if token in ends:
            self.finish = "stop"
        else:
            out = self._text.feed(token)
            if self._ends_repetition and self.made % _LOOK == 0:
                self._repeats = repeats(self.tokens)
            is_cut = self._repeats or self.made >= self._room
            self.finish = "stop" if self._text.stopped else "length" if is_cut else None
        return out + self._text.close() if self.finish else out

    def completion(self) -> Completion:
        """The finished answer."""
        return completion_of(
            self._text,
            self.finish or "stop",
            len(self.prompt),
            self.made,
            {**asdict(self.choice), "max_tokens": self._room, "seed": self._seed},
            default_room=self._default_room,
            repeats=self._repeats,
        )
