"""The native format: a meta-agent's completion with <modification>, <graph> and <prompt> tags.

Every scan is linear in the text, since a completion can be a megabyte of anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.diagnostics import Diagnostic, error, warning

MAX_COMPLETION_CHARS = 2_000_000
_HEADER = re.compile(r"^[ \t]*(?:class[ \t]+Workflow\b|(?:async[ \t]+)?def[ \t]+__call__\b)", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*[ \t]*=", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*```([^\n`]*)$", re.MULTILINE)


@dataclass(frozen=True)
class ParsedCompletion:
    """The three parts of a completion; `problems` say what was odd or missing.

    `format` names the entry of `engine.formats.catalog` that the code was read as.
    """

    modification: str
    code: str
    prompts: str
    problems: tuple[Diagnostic, ...] = ()
    format: str = "native"


def parse_completion(text: str) -> ParsedCompletion:
    """Think blocks stripped, the last complete tag of each kind taken, code fences stripped."""
    if len(text) > MAX_COMPLETION_CHARS:
        message = f"the completion is longer than {MAX_COMPLETION_CHARS:,} characters"
        return ParsedCompletion("", "", "", (error("completion-too-large", message, None, "Shorten it"),))
    text = strip_thinking(text.replace("\r\n", "\n").replace("\r", "\n"))
    problems: list[Diagnostic] = []
    graphs = _spans(text, "graph")
    if not graphs:
        return _without_graph(text)
    start, end = graphs[-1]
    code = _unfence(text[start:end])
    if len(graphs) > 1:
        problems.append(
            warning("graph-several", f"the reply holds {len(graphs)} workflows; the last one is used")
        )
    # The workflow is cut out first: its strings may well hold tags of their own.
    before, after = text[:start], text[end:]
    prompts = _last(after, "prompt") or _last(before, "prompt") or ""
    modification = _last(before, "modification") or _last(after, "modification") or ""
    if not code.strip():
        problems.append(error("graph-empty", "the <graph> tag is empty", None, "Write class Workflow in it"))
    return ParsedCompletion(modification.strip(), code, _unfence(prompts), tuple(problems))


def strip_thinking(text: str) -> str:
    """The completion without its reasoning, whichever ends of the think tags the model wrote."""
    for name in ("think", "thinking"):
        text = _strip_tag(text, f"<{name}>", f"</{name}>")
    return text


def _strip_tag(text: str, opening: str, closing: str) -> str:
    kept: list[str] = []
    position = 0
    while (start := text.find(opening, position)) >= 0:
        end = text.find(closing, start)
        if end < 0:
            # Cut off while thinking, unless the tag is only mentioned inside the answer.
            if "<graph>" not in text[position:start]:
                return "".join(kept) + text[position:start]
            break
        kept.append(text[position:start])
        position = end + len(closing)
    rest = "".join(kept) + text[position:]
    orphan = rest.rfind(closing)  # some chat templates swallow the opening tag
    if orphan >= 0 and (_spans(rest[orphan:], "graph") or not _spans(rest, "graph")):
        return rest[orphan + len(closing) :]
    return rest


def _spans(text: str, name: str) -> list[tuple[int, int]]:
    """Where the bodies of complete `<name>` tags lie; of nested openings the innermost counts."""
    opening, closing = f"<{name}>", f"</{name}>"
    spans: list[tuple[int, int]] = []
    position = 0
    while (end := text.find(closing, position)) >= 0:
        start = text.rfind(opening, position, end)
        if start >= 0:
            spans.append((start + len(opening), end))
        position = end + len(closing)
    return spans


def _last(text: str, name: str) -> str | None:
    spans = _spans(text, name)
    return text[slice(*spans[-1])] if spans else None


def _unfence(body: str) -> str:
    """The body without its surrounding blank lines, or the last fenced block in it."""
    blocks = _fenced(body)
    return blocks[-1] if blocks else _trim(body)


def _fenced(text: str) -> list[str]:
    """The bodies of fenced code blocks; a block the text ends in counts."""
    blocks: list[str] = []
    start: int | None = None
    for fence in _FENCE.finditer(text):
        if start is None:
            start = fence.end()
        elif not fence.group(1).strip():
            blocks.append(_trim(text[start : fence.start()]))
            start = None
    if start is not None:
        blocks.append(_trim(text[start:]))
    return blocks


def _trim(body: str) -> str:
    """Without blank lines around it; indentation of the first line is kept."""
    lines = body.split("\n")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    return "\n".join(lines[filled[0] : filled[-1] + 1]).rstrip() if filled else ""


def _without_graph(text: str) -> ParsedCompletion:
    modification = (_last(text, "modification") or "").strip()
    opened = text.rfind("<graph>")
    if opened >= 0:
        problem = error(
            "graph-unclosed",
            "the reply ends inside <graph>",
            None,
            "Write the whole workflow and close </graph>",
        )
        return ParsedCompletion(modification, _unfence(text[opened + len("<graph>") :]), "", (problem,))
    blocks = _fenced(text)
    workflows = [b for b in blocks if _HEADER.search(b)]
    prompts = _unfence(_last(text, "prompt") or "")
    if workflows:
        if not prompts:
            prompts = next(
                (b for b in reversed(blocks) if not _HEADER.search(b) and _ASSIGNMENT.search(b)), ""
            )
        note = warning("untagged", "the workflow is in a code fence without tags", None, "Put it in <graph>")
        return ParsedCompletion(modification, workflows[-1], prompts, (note,))
    missing = error(
        "graph-missing", "the reply holds no workflow", None, "Write class Workflow inside <graph></graph>"
    )
    return ParsedCompletion(modification, "", prompts, (missing,))
