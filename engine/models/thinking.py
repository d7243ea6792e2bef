"""Tell thinking from answer in a text that arrives in pieces.

Reasoning models wrap their thinking in `<think>…</think>` at the head of the answer, some in marks of their
own (`MARKS`), which a server that does not know the model leaves in. The opening mark counts only at the
head, so that an answer which talks about it is left alone. Marks that a prompt may well ask for, such as
`<thought>`, are not among them.

Where the prompt's template already opened the block, only the closing tag appears. A caller that knows this
passes `inside=True`; otherwise a lone closing tag outside a code fence turns all text before it into
reasoning. Deltas that were passed on as text by then cannot be called back, so the splitter's `text` and
`reasoning`, and those of the completion, are right where the deltas are not.
"""

from __future__ import annotations

from typing import Literal

from engine.models.base import Delta
from engine.models.stops import held_suffix

OPEN, CLOSE = "<think>", "</think>"
MARKS = {
    OPEN: CLOSE,
    "[THINK]": "[/THINK]",  # Magistral
    "<seed:think>": "</seed:think>",  # Seed-OSS
    "\u25c1think\u25b7": "\u25c1/think\u25b7",  # Kimi
    # gpt-oss writes channels, as its template has them.
    "<|channel|>analysis<|message|>": "<|end|><|start|>assistant<|channel|>final<|message|>",
}
_FENCE = "```"


class ThinkSplitter:
    """Takes pieces of a text and gives deltas; the result does not depend on where the text was cut."""

    def __init__(self, *, inside: bool = False) -> None:
        self._state: Literal["head", "thinking", "answer"] = "thinking" if inside else "head"
        self._trim = inside  # drop the blank space that follows a tag
        self._thought = inside
        self._close_mark = CLOSE
        self._buffer = ""
        self._text: list[str] = []
        self._reasoning: list[str] = []

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The thinking so far."""
        return "".join(self._reasoning)

    @property
    def thinking(self) -> bool:
        """Whether a think block is open."""
        return self._state == "thinking"

    def feed(self, piece: str) -> list[Delta]:
        """The deltas that have become certain with this piece."""
        self._buffer += piece
        out: list[Delta] = []
        while self._advance(out):
            pass
        return out

    def close(self) -> list[Delta]:
        """The deltas that were held back, now that no more text comes. An unclosed block stays reasoning."""
        rest, self._buffer = self._buffer, ""
        out: list[Delta] = []
        if self._trim:
            rest = rest.lstrip()
        self._emit(out, "reasoning" if self.thinking else "text", rest)
        return out

    def _advance(self, out: list[Delta]) -> bool:
        """One move of the automaton; False when it needs more text."""
        if self._trim:
            self._buffer = self._buffer.lstrip()
            self._trim = not self._buffer
        if not self._buffer:
            return False
        if self._state == "head":
            return self._at_head()
        if self._state == "thinking":
            return self._in_block(out)
        return self._in_answer(out)

    def _at_head(self) -> bool:
        start = self._buffer.lstrip()
        for mark, close in MARKS.items():
            if start.startswith(mark):
                self._buffer, self._close_mark = start[len(mark) :], close
                self._state, self._trim, self._thought = "thinking", True, True
                return True
        if any(mark.startswith(start) for mark in MARKS):  # also where all is blank so far
            return False
        self._state = "answer"
        return True

    def _in_block(self, out: list[Delta]) -> bool:
        at = self._buffer.find(self._close_mark)
        if at < 0:
            self._release(out, "reasoning")
            return False
        self._emit(out, "reasoning", self._buffer[:at])
        self._after_block(at + len(self._close_mark))
        return True

    def _in_answer(self, out: list[Delta]) -> bool:
        if self._thought:
            self._emit(out, "text", self._buffer)
            self._buffer = ""
            return False
        at = self._buffer.find(CLOSE)
        if at < 0:
            self._release(out, "text")
            return False
        before, end = self._buffer[:at], at + len(CLOSE)
        if (self.text + before).count(_FENCE) % 2:  # inside a code block: a mention, not a tag
            self._emit(out, "text", self._buffer[:end])
            self._buffer = self._buffer[end:]
            return True
        self._reasoning, self._text, self._thought = self._text, [], True
        self._emit(out, "reasoning", before)
        self._after_block(end)
        return True

    def _after_block(self, end: int) -> None:
        self._buffer = self._buffer[end:]
        self._state, self._trim = "head", True

    def _release(self, out: list[Delta], channel: Literal["reasoning", "text"]) -> None:
        """Pass on all but what may be the beginning of a closing mark."""
        mark = self._close_mark if self.thinking else CLOSE
        certain = len(self._buffer) - held_suffix(self._buffer, (mark,))
        self._emit(out, channel, self._buffer[:certain])
        self._buffer = self._buffer[certain:]

    def _emit(self, out: list[Delta], channel: Literal["reasoning", "text"], text: str) -> None:
        if text:
            (self._reasoning if channel == "reasoning" else self._text).append(text)
            out.append(Delta(channel, text))
