"""Put the chunks of one chat-completions stream together, and notice when they make no answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.models.base import Completion, Delta, Message
from engine.models.faults import StreamError
from engine.models.stops import StopScanner
from engine.models.thinking import ThinkSplitter

CUT = "cut"  # the finish of an answer whose stream broke off


class ChunkReader:
    """Reads one attempt. Servers differ and err, so nothing about a chunk's shape is taken for granted."""

    def __init__(self, *, stops: Sequence[str] = (), thinks_first: bool = False) -> None:
        """`stops` are applied here, for models that do not take the parameter."""
        self._stops = StopScanner(stops)
        self._thinks_first = thinks_first
        self._splitter: ThinkSplitter | None = None
        self._reasoning: list[str] = []  # from the reasoning field, apart from what tags mark
        self._refusal = ""
        self._usage: tuple[int, int, int] | None = None
        self.finish: str | None = None

    @property
    def stopped(self) -> bool:
        """A stop string was met: the rest of the stream is of no interest."""
        return self._stops.hit

    @property
    def has_text(self) -> bool:
        """Whether there is anything to keep if the stream breaks off for good."""
        return bool(self._reasoning or self._refusal) or (
            self._splitter is not None and bool(self._splitter.text or self._splitter.reasoning)
        )

    def feed(self, chunk: Any) -> list[Delta]:
        """The deltas of one chunk.

        Raises:
            StreamError: the chunk's fields have types that no server should send.
        """
        self._note_usage(getattr(chunk, "usage", None))
        choices = getattr(chunk, "choices", None) or []
        if not isinstance(choices, list):
            raise StreamError("bad-response", "a chunk's choices are not a list")
        return self._feed_choice(choices[0]) if choices else []

    def _feed_choice(self, choice: Any) -> list[Delta]:
        finish = getattr(choice, "finish_reason", None)
        if isinstance(finish, str) and finish:
            self.finish = finish
        delta = getattr(choice, "delta", None)
        out: list[Delta] = []
        thought = _text(delta, "reasoning_content") or _text(delta, "reasoning")
        if thought:
            self._reasoning.append(thought)
            out.append(Delta("reasoning", thought))
        self._refusal += _text(delta, "refusal")
        if not self.stopped and (piece := self._stops.feed(_text(delta, "content"))):
            out += self._split().feed(piece)
        return out

    def _split(self) -> ThinkSplitter:
        if self._splitter is None:
            # A server that parses reasoning itself has taken the tags out.
            self._splitter = ThinkSplitter(inside=self._thinks_first and not self._reasoning)
        return self._splitter

    def _note_usage(self, usage: Any) -> None:
        counts = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
        if isinstance(counts[0], int) and isinstance(counts[1], int) and min(counts[0], counts[1]) >= 0:
            cached = getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None)
            self._usage = counts[0], counts[1], cached if isinstance(cached, int) else 0

    def end(self) -> list[Delta]:
        """The stream is over: the last deltas.

        Raises:
            StreamError: it ended without an answer, was cut, or the answer was withheld.
        """
        if self.stopped:
            self.finish = "stop"
        if self.finish == "content_filter":
            raise StreamError("refused", "the endpoint's content filter withheld the answer", retry=False)
        if self._refusal and not self.has_answer:
            raise StreamError("refused", f"the model declined: {self._refusal}", retry=False)
        if self.finish is None and self._usage is not None and self.has_text:
            self.finish = "stop"  # usage comes last, so all of it is here; some servers name no reason
        if self.finish is None:
            if self.has_text:
                raise StreamError("connection", "the stream broke off before the answer was finished")
            raise StreamError("bad-response", "the stream held no answer")
        return self._close()

    @property
    def has_answer(self) -> bool:
        """Whether there is answer text, not only reasoning."""
        return self._splitter is not None and bool(self._splitter.text)

    def _close(self) -> list[Delta]:
        rest = self._stops.close()
        if self._splitter is None and not rest:
            return []
        splitter = self._split()
        return [*splitter.feed(rest), *splitter.close()]

    def cut(self) -> list[Delta]:
        """The stream broke off and will not be tried again: the last deltas of what there is."""
        self.finish = CUT
        return self._close()

    def completion(self, messages: Sequence[Message]) -> tuple[Completion, int]:
        """The completion, its cost still to be filled in, and how many prompt tokens were cached."""
        text = self._splitter.text if self._splitter else ""
        tagged = self._splitter.reasoning if self._splitter else ""
        if self._thinks_first and self._splitter and self._splitter.thinking and self.finish == "stop":
            text, tagged = tagged, ""  # finished without closing the block: the model did not think after all
        reasoning = "".join(self._reasoning) + tagged
        tokens_in, tokens_out, cached = self._usage or (
            sum(4 + estimate_tokens(m["content"]) for m in messages),
            estimate_tokens(text + reasoning),
            0,
        )
        flags = [] if text.strip() else ["empty"]
        flags += ["truncated"] if self.finish in ("length", CUT) else []
        flags += [] if self._usage else ["estimated-tokens"]
        finish = self.finish or CUT
        return Completion(text, reasoning, finish, tokens_in, tokens_out, None, tuple(flags)), cached


def estimate_tokens(text: str) -> int:
    """Tokens of `text` where nobody counted: four bytes each, the usual rule of thumb."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


def _text(delta: Any, name: str) -> str:
    value = getattr(delta, name, None)
    if value is None or isinstance(value, str):
        return value or ""
    raise StreamError("bad-response", f"a chunk's {name} is not text")
