"""The native format: a meta-agent's completion with <modification>, <graph> and <prompt> tags.

The workflow is looked for in every place where models write it: in tags, in fences, in JSON, or bare. Every
scan is linear in the text, since a completion can be a megabyte of anything.
"""

from __future__ import annotations

import ast
import html
import json
import re
from dataclasses import dataclass
from typing import Any

from engine.diagnostics import Diagnostic, error, warning
from engine.formats.tags import TAG, Section, sections
from engine.formats.thinking import strip_thinking
from engine.guest.syntax import DEFINITIONS, allowance, parsed, parses
from engine.operators.dressing import tidy, without_end
from engine.operators.fences import blocks
from engine.operators.loose_code import loose_code

MAX_COMPLETION_CHARS = 2_000_000
# A class Workflow, a bare `__call__`, or ADAS's `forward` of an agent system and a task.
_HEADER = re.compile(
    r"^[ \t]*(?:class[ \t]+Workflow\b|(?:async[ \t]+)?def[ \t]+(?:__call__\b"
    r"|forward[ \t]*\([ \t]*\w+[ \t]*,[ \t]*taskInfo\b))",
    re.MULTILINE,
)
_RUN_WORKFLOW = re.compile(r"^[ \t]+async[ \t]+def[ \t]+run_workflow\b", re.MULTILINE)
_METHOD = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*[ \t]*(?::[^\n=]+)?=", re.MULTILINE)
_FENCE_LINE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n`]*$")
_JSON = re.compile(r"\s*(?:```json[ \t]*\n\s*)?\{")
# What a JSON reply calls the parts.
_GRAPH_KEYS, _PROMPT_KEYS = ("graph", "workflow", "code"), ("prompt", "prompts")


@dataclass(frozen=True)
class ParsedCompletion:
    """The three parts of a completion, each "" where it is missing; `problems` say what is odd or missing.

    `format` names the entry of `engine.formats.catalog` that the code was read as.
    """

    modification: str
    code: str
    prompts: str
    problems: tuple[Diagnostic, ...] = ()
    format: str = "native"


def parse_completion(text: str) -> ParsedCompletion:
    """The parts of a completion without its think blocks: of several workflows the last that may be complete,
    and the prompts around it. Never raises; the problems say what is wrong.
    """
    if len(text) > MAX_COMPLETION_CHARS:
        message = f"the completion is longer than {MAX_COMPLETION_CHARS:,} characters"
        return ParsedCompletion("", "", "", (error("completion-too-large", message, None, "Shorten it"),))
    whole = without_end(tidy(text))
    text = strip_thinking(whole)
    if not text.strip() and (found := _in_thinking(whole)) is not None:
        return found
    if "&lt;" in text and TAG.search(text) is None:
        text = html.unescape(text)
    with allowance():
        if _JSON.match(text) and (parsed_json := _from_json(text)) is not None:
            return parsed_json
        parts = sections(text)
        graph = _graph(text, parts)
        if graph is None:
            return _from_json(text) or _without_graph(text, parts)
        return _around(text, graph, parts)


def _in_thinking(text: str) -> ParsedCompletion | None:
    """The workflow of a reply that never closes its thinking, where it has `run_workflow`: MetaFlow's own
    reader takes the fenced block wherever it stands.
    """
    with allowance():
        codes = [_trim(b.body) for b in blocks(text) if b.closed and (b.is_python or not b.language)]
        codes = [code for code in codes if _RUN_WORKFLOW.search(code) and parses(code)]
    if not codes:
        return None
    note = warning(
        "thinking-unclosed", "the thinking never ends; the workflow in it is used", None, "Close it"
    )
    return ParsedCompletion("", codes[-1], "", (note,))


def _graph(text: str, parts: list[Section]) -> Section | None:
    """The part that is the workflow; None where no part is a graph."""
    graphs = [part for part in parts if part.name == "graph"]
    whole = [g for g in graphs if g.closed] or graphs
    filled = [g for g in whole if g.body(text).strip()] or whole
    meant = [g for g in graphs if _HEADER.search(g.body(text))] or filled
    complete = [g for g in meant if _METHOD.search(g.body(text)) and (g.closed or g.end < len(text))]
    return (complete or [g for g in meant if g.closed] or meant or [None])[-1]


def _around(text: str, graph: Section, parts: list[Section]) -> ParsedCompletion:
    """The completion whose workflow is this part."""
    code = _unfence(graph.body(text), _HEADER)
    # The workflow's own strings may well hold tags.
    others = [p for p in parts if p.outer[1] <= graph.outer[0] or p.outer[0] >= graph.outer[1]]
    problems: list[Diagnostic] = []
    several = [p for p in parts if p.name == "graph" and p.closed and _HEADER.search(p.body(text))]
    if len(several) > 1:
        message = f"the reply holds {len(several)} workflows; the last one is used"
        problems.append(warning("graph-several", message))
    if not graph.closed:
        problems.append(_unclosed(code, followed=graph.end < len(text)))
    elif not code.strip():
        problems.append(error("graph-empty", "the <graph> tag is empty", None, "Write class Workflow in it"))
    prompts = _prompts(text, [p for p in others if p.name == "prompt"])
    return ParsedCompletion(_modification(text, others), code, prompts, tuple(problems))


def _unclosed(code: str, *, followed: bool) -> Diagnostic:
    """Of a <graph> without an end: whether the workflow in it is whole all the same."""
    tree = parsed(code)
    last = next((n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef)), None) if tree else None
    if tree is not None and (followed or (last is not None and isinstance(last.body[-1], ast.Return))):
        message = "<graph> is never closed; what is in it is whole and is used"
        return warning("graph-unclosed", message, None, "Close </graph>")
    message = "the reply ends inside <graph>"
    return error("graph-unclosed", message, None, "Write the whole workflow and close </graph>")


def _modification(text: str, parts: list[Section]) -> str:
    said = [p.body(text).strip() for p in parts if p.name == "modification"]
    return next((words for words in reversed(said) if words), "")


def _prompts(text: str, parts: list[Section]) -> str:
    """The prompts of all parts that define some; else what the last part holds."""
    bodies = [(_unfence(part.body(text), _ASSIGNMENT), part.attribute) for part in parts]
    defining = [b for b, _ in bodies if _ASSIGNMENT.search(b) and parses(b)]
    if defining:
        return "\n\n".join(dict.fromkeys(defining))
    named = [f"{name} = {body!r}" for body, name in bodies if name and body.strip()]
    filled = [b for b, _ in bodies if _ASSIGNMENT.search(b)] or [b for b, _ in bodies if b.strip()]
    return "\n".join(named) or (filled[-1] if filled else "")


def _unfence(body: str, wanted: re.Pattern[str]) -> str:
    """The body where it is Python, else the last fenced block in it, of those with what is `wanted`."""
    body = _trim(body)
    if parses(body):
        return body
    found = [_trim(b.body) for b in blocks(body) if b.is_python or not b.language]
    found = [b for b in found if wanted.search(b)] or [b for b in found if b]
    if found:
        return found[-1]
    lines = body.split("\n")  # one fence of two
    kept = lines[
        _FENCE_LINE.match(lines[0]) is not None : len(lines) - (_FENCE_LINE.match(lines[-1]) is not None)
    ]
    return _trim("\n".join(kept))


def _trim(body: str) -> str:
    """The body without blank lines around it; the indentation of its first line is kept."""
    lines = body.split("\n")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    return "\n".join(lines[filled[0] : filled[-1] + 1]).rstrip() if filled else ""


def _from_json(text: str) -> ParsedCompletion | None:
    """A reply that is a JSON object with the parts by name, fenced or not."""
    for source in (*(b.body for b in blocks(text) if b.language in ("json", "")), text):
        start, end = source.find("{"), source.rfind("}")
        try:
            data = json.loads(source[start : end + 1], strict=False) if 0 <= start < end else None
        except (ValueError, RecursionError):
            continue
        parts = {str(k).lower(): v for k, v in data.items()} if isinstance(data, dict) else {}
        code = next((_text(parts[k]) for k in _GRAPH_KEYS if k in parts), "")
        if not code.strip():
            continue
        prompts = next((_assignments(parts[k]) for k in _PROMPT_KEYS if k in parts), "")
        said = _text(parts.get("modification", "")).strip()
        code, prompts = _untagged(code, "graph"), _untagged(prompts, "prompt")
        return ParsedCompletion(said, _unfence(code, _HEADER), _unfence(prompts, _ASSIGNMENT))
    return None


def _untagged(text: str, name: str) -> str:
    """The body of this tag where a text is one, else the text."""
    bodies = [part.body(text) for part in sections(text) if part.name == name]
    return bodies[-1] if bodies and not parses(text) else text


def _text(value: Any) -> str:
    """A text, which may be a list of its lines; "" for anything else."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(line.rstrip("\n") for line in value)
    return value if isinstance(value, str) else ""


def _assignments(value: Any) -> str:
    """Prompts as Python; in JSON they may be an object of texts by name."""
    if isinstance(value, dict):
        return "\n".join(
            f"{k} = {v!r}" for k, v in value.items() if isinstance(v, str) and str(k).isidentifier()
        )
    return _text(value)


def _without_graph(text: str, parts: list[Section]) -> ParsedCompletion:
    """A reply without the tag: its workflow in a fence, or bare."""
    modification, parts = _modification(text, parts), [p for p in parts if p.name == "prompt"]
    prompts = _prompts(text, parts)
    found = [_trim(b.body) for b in blocks(text) if b.is_python or not b.language]
    workflows = [b for b in found if _HEADER.search(b)]
    if workflows:
        if not prompts:
            prompts = next(
                (b for b in reversed(found) if not _HEADER.search(b) and _ASSIGNMENT.search(b)), ""
            )
        note = warning("untagged", "the workflow is in a code fence without tags", None, "Put it in <graph>")
        return ParsedCompletion(modification, workflows[-1], prompts, (note,))
    bare = loose_code(text[: parts[0].outer[0]] if parts else text) or ""
    if _HEADER.search(bare):
        note = warning("untagged", "the workflow stands in the text without tags", None, "Put it in <graph>")
        return ParsedCompletion(modification, bare, prompts, (note,))
    missing = error(
        "graph-missing",
        f"the reply holds no workflow: {_instead(text, found)}",
        None,
        "Write class Workflow inside <graph></graph>",
    )
    return ParsedCompletion(modification, "", prompts, (missing,))


def _instead(text: str, found: list[str]) -> str:
    """What a reply has in place of a workflow."""
    trees = [tree for code in found if (tree := parsed(code)) is not None]
    names = [n.name for tree in trees for n in tree.body if isinstance(n, DEFINITIONS)]
    if names:
        return f"its code defines {', '.join(names[:3])[:100]}, and no class Workflow"
    if found:
        return "its code defines no class Workflow"
    return "it has neither <graph> nor code" if text.strip() else "it is empty"
