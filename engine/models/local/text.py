"""From a row's tokens to its deltas: detokenise, stop at stop strings, split thinking from answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.models.base import Delta
from engine.models.stops import StopScanner
from engine.models.thinking import ThinkSplitter

_UNFINISHED = "\ufffd"  # how a tokenizer shows bytes that are not a whole character yet
_PATIENCE = 8  # tokens after which such bytes are taken never to become one


class TextStream:
    """The text of one row as it grows."""

    def __init__(self, decode: Callable[[list[int]], str], stops: Sequence[str], *, thinking: bool) -> None:
        """`decode` makes a text of tokens. `thinking` says that the prompt ends inside an open think
        block.
        """
        self._decode = decode
        self._scanner = StopScanner(stops)
        self._splitter = ThinkSplitter(inside=thinking)
        self._tokens: list[int] = []
        self._context = 0  # decode from here: tokens need their left neighbours for spaces to come out
        self._read = 0  # tokens before this one are in the text

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met."""
        return self._scanner.hit

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._splitter.text

    @property
    def reasoning(self) -> str:
        """The thinking so far."""
        return self._splitter.reasoning

    def feed(self, token: int) -> list[Delta]:
        """The deltas that one more token makes certain."""
        self._tokens.append(token)
        new = self._new_text()
        if not new or (new.endswith(_UNFINISHED) and len(self._tokens) - self._read < _PATIENCE):
            return []
        self._context, self._read = self._read, len(self._tokens)
        return self._splitter.feed(self._scanner.feed(new))

    def feed_all(self, tokens: Sequence[int]) -> list[Delta]:
        """The deltas of tokens that are all known. They are decoded at once: one by one that takes long."""
        self._tokens += tokens
        new = self._new_text()
        self._context, self._read = self._read, len(self._tokens)
        return self._splitter.feed(self._scanner.feed(new))

    def close(self) -> list[Delta]:
        """The deltas that were held back, now that the row is over."""
        out = self._splitter.feed(self._scanner.feed(self._new_text()))
        out += self._splitter.feed(self._scanner.close())
        return out + self._splitter.close()

    def _new_text(self) -> str:
        if self.stopped or self._read == len(self._tokens):
            return ""
        passed_on = self._decode(self._tokens[self._context : self._read])
        return self._decode(self._tokens[self._context :])[len(passed_on) :]
