"""Put the pieces of one chat-completions answer together, and notice when they are not an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.models.base import Completion, Delta, Message
from engine.models.event_stream import EventReader
from engine.models.faults import StreamError, ToldError, clip
from engine.models.finish import ending_of
from engine.models.parts import ShapeError, begun, content_of, whole
from engine.models.stops import StopScanner
from engine.models.thinking import ThinkSplitter
from engine.models.usage import Usage

ESTIMATED = "estimated-tokens"
CUT = "cut"  # the finish of an answer whose stream broke off
UNSAID = "unsaid"  # the finish of an answer that the endpoint ended properly without saying how


class ChunkReader:
    """Reads one attempt. Servers differ and make mistakes, so no shape of a piece is taken for granted."""

    def __init__(self, *, stops: Sequence[str] = (), thinks_first: bool = False) -> None:
        """`stops` are applied here, for models that do not take the parameter. `thinks_first`: the model's
        template opens the think block, so the answer begins inside it.
        """
        self._stops = StopScanner(stops)
        self._thinks_first = thinks_first
        self._events = EventReader()
        self._splitter: ThinkSplitter | None = None
        self._reasoning: list[str] = []  # from fields of its own, not from between tags
        self._refusal = ""
        self._half = ""  # the first half of a character, whose second is in the next piece
        self._finish: str | None = None
        self._counted = False  # the last piece had counts and no text
        self.usage = Usage()

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met; the rest of the stream does not matter then."""
        return self._stops.hit

    @property
    def done(self) -> bool:
        """Whether the endpoint has said that nothing more comes."""
        return self._events.done

    @property
    def has_text(self) -> bool:
        """Whether there is anything to keep if the stream breaks off for good."""
        return bool(self._reasoning or self._refusal) or (
            self._splitter is not None and bool(self._splitter.text or self._splitter.reasoning)
        )

    @property
    def has_begun(self) -> bool:
        """Whether any part of an answer came, so that the attempt has to be paid for."""
        return self.has_text or self._finish is not None or self.usage.known

    def feed(self, data: bytes) -> Iterator[Delta]:
        """The deltas in these bytes of the response. The iterator must be read to its end.

        Raises, after the deltas that came before:
            StreamError: the bytes are not a piece of an answer.
            ToldError: they report an error in place of an answer.
            ValueError: they are not JSON.
        """
        for value in self._events.feed(data):
            yield from self._value(value)

    def end(self) -> Iterator[Delta]:
        """The last deltas, once the response is over.

        Raises:
            StreamError: the response ended without an answer, broke off, or the answer was withheld.
            ToldError, ValueError: as `feed`, from the bytes that were not complete before.
        """
        if self.stopped:
            self._finish = "stop"
        else:
            for value in self._events.close():
                yield from self._value(value)
        ending = ending_of(self._finish) if self._finish else None
        if ending == "refused":
            words = "the endpoint's content filter withheld the answer"
            if self._finish != "content_filter":
                words = f"the endpoint withheld the answer ({clip(self._finish or '')})"
            raise StreamError("refused", words, retry=False)
        if self._refusal and not self.has_answer:
            raise StreamError("refused", f"the model declined: {self._refusal}", retry=False)
        if ending == "failed":
            raise StreamError("server", f"the endpoint broke the answer off ({clip(self._finish or '')})")
        if ending is None:
            self._end_unsaid()
        yield from self._close()

    def _end_unsaid(self) -> None:
        # A piece with only token counts comes last, then [DONE]: after either of them the answer is whole.
        if self.has_text and (self._events.done or self._counted):
            self._finish = UNSAID
        elif self.has_text:
            raise StreamError("connection", "the stream broke off before the answer was finished")
        else:
            excerpt = clip(self._events.said)
            raise StreamError(
                "bad-response", f"the stream held no answer{f' ({excerpt})' if excerpt else ''}"
            )

    def cut(self) -> list[Delta]:
        """The last deltas of a stream that broke off and will not be tried again."""
        self._finish = CUT
        return self._close()

    @property
    def has_answer(self) -> bool:
        """Whether there is answer text, not only reasoning."""
        return self._splitter is not None and bool(self._splitter.text)

    def _value(self, value: Any) -> list[Delta]:
        if not isinstance(value, dict):
            raise StreamError("bad-response", "a piece of the answer is not an object")
        choices = value.get("choices")
        if value.get("error"):
            raise ToldError(value)
        if choices is None and any(value.get(name) for name in ("detail", "errors", "message")):
            raise ToldError(value)
        self.usage.note(value.get("usage"))
        groq = value.get("x_groq")
        self.usage.note(groq.get("usage") if isinstance(groq, dict) else None)
        if choices is not None and not isinstance(choices, list):
            raise StreamError("bad-response", "a piece's choices are not a list")
        if self.stopped:
            return []
        # One answer is asked for; where a server sends more, the first is read.
        mine = (c for c in choices or [] if isinstance(c, dict) and c.get("index") in (0, None))
        out = [delta for choice in mine for delta in self._choice(choice)]
        self._counted = bool(value.get("usage")) and not out
        return out

    def _choice(self, choice: dict[str, Any]) -> list[Delta]:
        self.usage.note(choice.get("usage"))
        for name in ("finish_reason", "finishReason"):
            word = choice.get(name)
            if isinstance(word, str) and word.strip() and word.lower() not in ("null", "none"):
                self._finish = word
        if choice.get("error"):
            raise ToldError(choice["error"])
        delta = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        if not isinstance(delta, dict):
            raise StreamError("bad-response", "a piece's delta is not an object")
        try:
            reasoning, text, refusal = content_of(delta)
        except ShapeError as error:
            raise StreamError("bad-response", str(error)) from None
        out: list[Delta] = []
        if reasoning:
            reasoning = whole(reasoning)
            self._reasoning.append(reasoning)
            out.append(Delta("reasoning", reasoning))
        self._refusal += whole(refusal)
        if text:
            out += self._text_deltas(text)
        return out

    def _text_deltas(self, text: str) -> list[Delta]:
        text = self._half + text
        self._half = text[len(text) - begun(text) :]
        piece = self._stops.feed(whole(text[: len(text) - begun(text)]))
        return self._split().feed(piece) if piece else []

    def _split(self) -> ThinkSplitter:
        if self._splitter is None:
            # A server that parses reasoning itself has taken the tags out.
            self._splitter = ThinkSplitter(inside=self._thinks_first and not self._reasoning)
        return self._splitter

    def _close(self) -> list[Delta]:
        rest = self._stops.feed(whole(self._half)) + self._stops.close()
        self._half = ""
        if self._splitter is None and not rest:
            return []
        splitter = self._split()
        return [*splitter.feed(rest), *splitter.close()]

    def completion(self, messages: Sequence[Message]) -> Completion:
        """The completion, without its cost, which the caller fills in."""
        text = self._splitter.text if self._splitter else ""
        tagged = self._splitter.reasoning if self._splitter else ""
        ending = ending_of(self._finish) if self._finish else None
        if self._thinks_first and self._splitter and self._splitter.thinking and ending == "complete":
            text, tagged = tagged, ""  # finished without closing the block: the model did not think after all
        reasoning = "".join(self._reasoning) + tagged
        tokens_in, tokens_out = self.tokens(messages)
        flags = [] if text.strip() else ["empty"]
        flags += ["only-reasoning"] if flags and reasoning.strip() else []
        flags += ["truncated"] if ending == "truncated" or self._finish == CUT else []
        flags += ["unknown-finish"] if ending == "unknown" and self._finish != CUT else []
        flags += [] if self.usage.known else [ESTIMATED]
        finish = " ".join((self._finish or CUT).split())[:60]
        return Completion(text, reasoning, finish, tokens_in, tokens_out, None, tuple(flags))

    def tokens(self, messages: Sequence[Message]) -> tuple[int, int]:
        """(tokens read, tokens written), estimated where the endpoint did not count them."""
        if self.usage.known:
            return self.usage.tokens_in or 0, self.usage.tokens_out
        written = "".join(self._reasoning) + self._refusal
        if self._splitter is not None:
            written += self._splitter.reasoning + self._splitter.text
        return sum(4 + estimate_tokens(m["content"]) for m in messages), estimate_tokens(written)


def estimate_tokens(text: str) -> int:
    """An estimate of the tokens of `text`: one for four bytes, the usual rule of thumb."""
    return -(-len(text.encode("utf-8", "replace")) // 4)
