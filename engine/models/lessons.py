"""What a refused request teaches about the parameters that a model accepts.

The endpoint's words name the parameters, in clauses that say "not supported" or "must be …"; some bodies
name them in a field. A lesson is a change of `Quirks`, so that one refusal is enough for all calls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from engine.models.quirks import Quirks

_DROPPABLE = ("temperature", "top_p", "max_completion_tokens", "max_tokens", "seed", "stop", "stream_options")
# The names in a request, and what bodies and messages call them by.
_ALIASES = {"stream_options": "stream_options", "include_usage": "stream_options", "stop_sequences": "stop"}
_ALIASES |= {
    "topP": "top_p",
    "top-p": "top_p",
    "maxOutputTokens": "max_tokens",
    "max_new_tokens": "max_tokens",
}
_NAMES = sorted({*_DROPPABLE, *_ALIASES}, key=len, reverse=True)
_NAME = "|".join(map(re.escape, _NAMES))
_QUOTE = r"[`'\"\u2018\u2019\u201c\u201d\[\]()*]*"
# One name, or several in an enumeration; not a part of a longer word.
_LISTED = re.compile(
    rf"(?<![\w-]){_QUOTE}(?:{_NAME})(?![\w-]){_QUOTE}"
    rf"(?:\s*(?:,|&|/|\band\b|\bor\b|,\s*and)\s*{_QUOTE}(?:{_NAME})(?![\w-]){_QUOTE})*"
)
_ONE = re.compile(rf"(?<![\w-])(?:{_NAME})(?![\w-])")
_WORDS = ("seed", "stop")  # common words too: they count as names only where they are marked as such
_MARKED = re.compile(
    r"[`'\"\u2018\u201c\[](seed|stop)[`'\"\u2019\u201d\]]"
    r"|\b(?:param|parameter|argument|field|name|key|input|supplied|property|option)s?(?: \w+)?[:\s]+"
    r"(seed|stop)\b"
    r"|(?:^|[\s.])(seed|stop)(?:\s*:| (?:is|are|was|param|parameter|field|option|must|should|cannot|not)\b)",
    re.I,
)
_REFUSED = re.compile(
    r"unsupported|unrecogni|unknown|unexpected|illegal|invalid|forbidden|disallow|disabled|deprecated|removed|"
    r"n[o']t (?:currently |yet )?(?:be )?"
    r"(?:support|permit|allow|accept|recogni|implement|available|enabled|valid|configurable|take)|"
    r"cannot|can ?not|can't|may not|no longer|is not one of|not a valid|restricted|must|should|only|"
    r"exclusive|extra (?:field|input|key)|additional propert|"
    r"too (?:large|big|high|low|small)|out of range|greater than|less than|exceeds?",
    re.I,
)
_SYSTEM = re.compile(
    r"\b(?:system|developer)\b.{0,40}\b(?:role|message|prompt|instruction)s?\b"
    r"|\b(?:role|message|prompt|instruction)s?\b.{0,60}\b(?:system|developer)\b"
    r"|\broles?\b.{0,60}\b(?:user|assistant)\b|\b(?:user|assistant)\b.{0,40}\broles?\b|\balternat",
    re.I,
)
_STREAM = re.compile(r"(?<![\w-])stream(?:ing|ed)?(?![\w-])", re.I)
_WANTS_STREAM = re.compile(
    r"only (?:support|accept|allow|work|take)s? (?:the )?stream"
    r"|stream\w*.{0,20}\b(?:required|must be (?:set to )?true)|(?:enable|requires?) (?:the )?stream",
    re.I,
)
_NOT_BOTH = re.compile(
    r"\bboth\b|\btogether\b|only one|mutually exclusive|either|same time|in combination", re.I
)
_CLAUSES = re.compile(r"[;\n]|[.!?](?=\s|$)")

Lesson = tuple[Quirks, str]


def learn(quirks: Quirks, body: Mapping[str, Any], message: str, params: Sequence[str] = ()) -> Lesson | None:
    """What a request that was refused with `message` teaches: (corrected quirks, how to ask again in words);
    None where it teaches nothing. `params` are the parameters that a field of the error blames.
    """
    clauses = [clause for clause in _CLAUSES.split(message) if _REFUSED.search(clause)]
    if lesson := _about_roles(quirks, body, message, params, clauses):
        return lesson
    if (
        "max_completion_tokens" in message
        and "max_tokens" in body
        and "max_tokens" in _named(clauses, params)
    ):
        return replace(quirks, max_tokens_name="max_completion_tokens"), "with max_completion_tokens"
    if "max_completion_tokens" in body and "max_completion_tokens" in _named(clauses, params):
        return replace(quirks, max_tokens_name="max_tokens"), "with max_tokens"
    blamed = [name for name in _named(clauses, params) if name in body]
    if len(blamed) > 1 and _NOT_BOTH.search(message):
        blamed = blamed[1:]
    if not blamed and body.get("stream") and _is_about_streaming(clauses, message, params):
        return replace(quirks, drop=quirks.drop | {"stream"}), "without streaming"
    if not blamed:
        return None
    return replace(quirks, drop=quirks.drop | set(blamed)), f"without {' and '.join(blamed)}"


def _about_roles(
    quirks: Quirks, body: Mapping[str, Any], message: str, params: Sequence[str], clauses: list[str]
) -> Lesson | None:
    by_field = any(param.endswith("role") or param == "system" for param in params)
    if not by_field and not any(_SYSTEM.search(clause) for clause in clauses):
        return None
    roles = {m["role"] for m in body["messages"]}
    if "developer" in roles and "developer" in message and not re.search(r"system\W+(role|message)", message):
        return replace(quirks, system="system"), "with system instead of developer messages"
    in_turn = all(a["role"] != b["role"] for a, b in pairwise(body["messages"]))
    if quirks.system != "user" and (roles & {"system", "developer"} or not in_turn):
        return replace(quirks, system="user"), "with its instructions in the user's message"
    return None


def _named(clauses: list[str], params: Sequence[str]) -> list[str]:
    """The parameters that are blamed, in the order of `_DROPPABLE`."""
    blamed = {_ALIASES.get(param, param) for param in params}
    for clause in clauses:
        marked = {next(filter(None, groups)).lower() for groups in _MARKED.findall(clause)}
        for listed in _LISTED.finditer(clause):
            names = _ONE.findall(listed[0])
            if len(names) > 1 or names[0] not in _WORDS or names[0] in marked:
                blamed |= {_ALIASES.get(name, name) for name in names}
                break  # further names in the clause are what the model takes instead
    return [name for name in _DROPPABLE if name in blamed]


def _is_about_streaming(clauses: list[str], message: str, params: Sequence[str]) -> bool:
    mentioned = "stream" in params or any(_STREAM.search(clause) for clause in clauses)
    return mentioned and not _WANTS_STREAM.search(message)
