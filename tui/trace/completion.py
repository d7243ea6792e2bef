"""Which part of a completion is being written: reasoning, modification, workflow code or prompts.

The engine parses finished completions; this only looks at what has streamed so far, to show every
part in its place while it appears.
"""

from __future__ import annotations

from typing import NamedTuple

_THINK = ("<think>", "</think>")


class Parts(NamedTuple):
    """A completion by part. `prose` is what stands outside every tag."""

    reasoning: str
    modification: str
    code: str
    prompts: str
    prose: str


def split_completion(text: str) -> Parts:
    """The parts of a completion that may stop anywhere, even in the middle of a tag."""
    reasoning, rest = _cut_thinking(text)
    modification, rest = _cut(rest, "modification")
    code, rest = _cut(rest, "graph")
    prompts, rest = _cut(rest, "prompt")
    return Parts(
        reasoning.strip("\n"),
        modification.strip(),
        _unfence(code),
        _unfence(prompts),
        _drop_partial_tag(rest).strip(),
    )


def _cut_thinking(text: str) -> tuple[str, str]:
    opened, closed = _THINK
    end = text.find(closed)
    start = text.find(opened)
    if end < 0:
        if start < 0:
            return "", text
        return _drop_partial_tag(text[start + len(opened) :]), text[:start]
    # Some templates put the opening tag into the prompt, so that only the closing one streams.
    begin = start + len(opened) if 0 <= start < end else 0
    return text[begin:end], text[: max(start, 0)] + text[end + len(closed) :]


def _cut(text: str, tag: str) -> tuple[str, str]:
    """The inside of the last `<tag>` and the text without it; an open tag runs to the end."""
    start = text.rfind(f"<{tag}>")
    if start < 0:
        return "", text
    inside = start + len(tag) + 2
    end = text.find(f"</{tag}>", inside)
    if end < 0:
        return _drop_partial_tag(text[inside:]), text[:start]
    return text[inside:end], text[:start] + text[end + len(tag) + 3 :]


def _drop_partial_tag(text: str) -> str:
    """Without a closing tag that has only begun to arrive (`</gra`), which would flicker as code."""
    at = text.rfind("<", max(len(text) - 16, 0))
    name = text[at + 1 :].removeprefix("/")
    return text[:at] if at >= 0 and (not name or name.isalpha()) else text


def _unfence(text: str) -> str:
    text = text.strip("\n")
    if text.lstrip().startswith("```"):
        _, _, text = text.lstrip().partition("\n")
    if text.rstrip().endswith("```"):
        text = text.rstrip()[:-3]
    return text.strip("\n")
