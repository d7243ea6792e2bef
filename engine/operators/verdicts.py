"""What a model decided: a letter among candidates, or whether a solution is right.

The form that was asked for is looked for first, then the variations of it that models are known to write.
Nothing else is understood, and nothing is guessed.
"""

from __future__ import annotations

import json
import re

_LONGEST = 20_000  # characters of a reply that are looked at, from its end
_WRAPPING = " \t\n\r*_`\"'\u201c\u201d\u2018\u2019.,:;!?()[]{}<>#-=|\\/$"


def field(reply: str, name: str) -> str | None:
    """What stands in the last `<name>…</name>` of a reply, or None. Where no tag is closed, the first opening
    one runs to the end.
    """
    opening = rf"<[ \t]*{name}(?:\s[^<>]{{0,80}})?>"
    contents = re.findall(rf"{opening}(.*?)<[ \t]*/[ \t]*{name}[ \t]*>", reply, re.DOTALL | re.IGNORECASE)
    if contents:
        return str(contents[-1]).strip()
    opened = re.search(rf"{opening}(.*)\Z", reply, re.DOTALL | re.IGNORECASE)
    return opened.group(1).strip() if opened else None


def asked(reply: str, name: str) -> str | None:
    """The value that a reply gives `name`: in its tag, in a JSON object, or after the name on a line; None
    where it has none.
    """
    stated = field(reply, name)
    if stated is not None:
        return stated
    start, end = reply.find("{"), reply.rfind("}")
    if 0 <= start < end:
        try:
            data = json.loads(reply[start : end + 1], strict=False)
        except (ValueError, RecursionError):
            data = None
        value = data.get(name) if isinstance(data, dict) else None
        if isinstance(value, str | bool | int):
            return str(value)
    words = r"[ _-]?".join(name.split("_"))
    lines = re.findall(
        rf"^[ \t#*_`\"'|>{{-]*{words}[ \t*_`\"']*(?:[:=|]|->|\bis\b)[ \t*_`\"']*([^\n|]+)",
        reply,
        re.IGNORECASE | re.MULTILINE,
    )
    return str(lines[-1]).strip() if lines else None


def letter(index: int) -> str:
    """A, B, …, Z, AA, AB, … for candidate number `index` from 0."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


# A candidate as replies write it: B, **B**, (B), solution B. A capital, so that few articles look like one.
_QUOTE = r"[*_`\"'(\[<\u201c\u2018]*"
_KIND = r"(?:solution|option|candidate|choice|answer|response|letter|version|number|approach|code)"
_CAPITAL = r"(?-i:(?P<letter>[A-Z]{1,2}))(?![A-Za-z0-9+#'\u2019])"
_IT = rf"{_QUOTE}(?:{_KIND}[ \t]+)?{_QUOTE}{_CAPITAL}[*_`\"')\]>\u201d\u2019]*"
_BEST = (
    r"(?:best|better|correct|right|winner|winning|superior|preferable|preferred|strongest|most \w+"
    r"|the (?:one|answer|choice|pick|winner)|my (?:choice|pick|answer))"
)
_IS = r"[ \t*_]*(?:is|would be|must be|seems to be|=|:|->|\u2192)[ \t]*"
_ADVERBS = (
    r"(?:(?:clearly|definitely|by far|the|my|overall|also|thus|therefore|likely|probably|a|far|much|still)"
    r"[ \t]+)*"
)
_END = r"[^\w]*(?:$|\n)"
# Sentences that decide for one.
_DECIDES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_BEST}(?:[ \t]+(?:{_KIND}|one|overall))*{_IS}{_ADVERBS}{_IT}",  # the best is B
        rf"\b(?:answer|choice|pick|verdict|decision|selection|vote|conclusion|winner|letter){_IS}{_ADVERBS}{_IT}",
        r"\b(?:choos\w*|chose|pick(?:ed|ing)?|select(?:ed|ing)?|prefer(?:red)?|recommend|go(?:ing)? (?:with"
        rf"|for)|went with|opt(?:ing|ed)? for|vot(?:e|ing) for|settle on|favou?r)[ \t]+{_IT}",  # I choose B
        rf"{_IT}[ \t]+(?:is|seems|looks|appears|remains|would be)[ \t]+(?:to be[ \t]+)?{_ADVERBS}{_BEST}",
        rf"{_IT}[ \t]+(?:wins?\b|it is\b|stands out|comes out ahead|gets my vote|prevails)",
        rf"{_IT}[ \t]+is[ \t]+(?:chosen|selected|preferred|picked|recommended)",
        r"\b(?:is|so|thus|hence|therefore|it['\u2019]s|think|say)[,:]?[ \t]+(?:in |from |given by )?"
        rf"{_IT}{_END}",
        rf"\\boxed\{{\s*(?:\\text\{{)?{_IT}",
    )
)
# A field that gives its reasons after the letter.
_BEGINS = re.compile(rf"\s*{_IT}\s*(?:[:;,.(\n\u2013\u2014-]|because\b|since\b|as\b)", re.IGNORECASE)
_NOT = re.compile(
    r"(?:\bnot|n['\u2019]t|\bnever|\bneither|\bnor|\bhardly|\bunable|\bcannot|\bthan)(?:\s+\w+){0,2}\s*$",
    re.IGNORECASE,
)
# After a lone A or I: what goes on after a letter, and not after an article or a pronoun.
_AFTER_LETTER = re.compile(
    r"[ \t]+(?:is|wins?|it is|because|since|as|for|over|and|seems|looks|stands)\b|[ \t]*(?:[^ \tA-Za-z]|$)"
)


def chosen(reply: str, count: int) -> int | None:
    """Which of `count` lettered candidates a reply picks, from 0; None where it names none, or several.

    Understood are "B", "b.", "(B)", "Solution B", "**B**", "the best is B", and the same in the field that
    was asked for.
    """
    letters = {letter(i): i for i in range(count)}
    reply = reply[-_LONGEST:]
    stated = asked(reply, "solution_letter")
    if stated:
        first = _BEGINS.match(stated)
        return letters[first["letter"]] if first and first["letter"] in letters else _picked(stated, letters)
    if stated is None and (alone := _picked(reply, letters)) is not None:
        return alone
    lines = [line for line in reply.splitlines() if line.strip()]
    if stated is None and lines:
        alone = [i for line in (lines[-1], lines[0]) if (i := _alone(line, letters)) is not None]
        return alone[0] if alone else None
    return None


def _picked(text: str, letters: dict[str, int]) -> int | None:
    """The candidate that a short text, or what it says in sentences, is about."""
    alone = _alone(text, letters)
    return alone if alone is not None else _decided(text, letters)


def _alone(text: str, letters: dict[str, int]) -> int | None:
    """The candidate whose letter is the whole text, in either case."""
    bare = text.strip(_WRAPPING)
    bare = re.sub(rf"^{_KIND}[\s*_:#]*", "", bare, flags=re.IGNORECASE).strip(_WRAPPING)
    return letters.get(bare.upper())


def _decided(text: str, letters: dict[str, int]) -> int | None:
    """The one candidate that sentences decide for."""
    picks: set[int] = set()
    for match in (m for pattern in _DECIDES for m in pattern.finditer(text)):
        name = match["letter"]
        denied = _NOT.search(text[max(0, match.start() - 40) : match.start()])
        word = name in ("A", "I") and not _AFTER_LETTER.match(text, match.end("letter"))
        if name in letters and not denied and not word:
            picks.add(letters[name])
    return picks.pop() if len(picks) == 1 else None


_GOOD = (
    r"true|correct(?:ly)?|right|valid|accept(?:ed|able|s)?|pass(?:es|ed)?|approved?|lgtm|ok(?:ay)?|sound"
    r"|works?|good|fine"
)
_BAD = (
    r"false|incorrect(?:ly)?|wrong(?:ly)?|fail(?:s|ed|ure|ures|ing)?|reject(?:ed|s)?|invalid|unacceptable|buggy|broken"
    r"|flawed|issues?|errors?|problems?|bugs?|mistakes?|faults?"
)
_WORD = re.compile(
    rf"(?P<denied>(?:\bnot|\bno|n['\u2019]t|\bnever|\bwithout|\bzero|\bfree of)\s+(?:\w+\s+){{0,2}}?)?"
    rf"\b(?:(?P<good>{_GOOD})|(?P<bad>{_BAD}))\b",
    re.IGNORECASE,
)
_PLAIN = {
    **dict.fromkeys(
        ("true", "yes", "y", "1", "t", "correct", "right", "pass", "passed", "ok", "accepted"), True
    ),
    **dict.fromkeys(
        ("false", "no", "n", "0", "f", "incorrect", "wrong", "fail", "failed", "rejected"), False
    ),
}
_LEADING = re.compile(
    r"[\s*_`\"'#(]*(true|false|yes|no|correct|incorrect)[*_`\"')]*\s*(?:$|[.,:;!(\n\u2013\u2014-])",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"\b(?:partial\w*|partly|mostly|almost|nearly|cannot|unable|unsure|not sure|uncertain|maybe|perhaps"
    r"|unclear|depends|either|whether|if)\b|\bcan['\u2019]?t\b",
    re.IGNORECASE,
)
_LABELS = ("review_result", "result", "verdict", "judgment", "judgement")


def accepted(reply: str) -> bool | None:
    """Whether a review calls the solution right; None where it does not say, or says both."""
    reply = reply[-_LONGEST:]
    stated = next((text for name in _LABELS if (text := asked(reply, name)) is not None), None)
    if stated is not None:
        return _yes_or_no(stated)
    lines = [line for line in reply.splitlines() if line.strip(_WRAPPING)]
    if len(lines) == 1:
        return _yes_or_no(lines[0])
    ends = {_leading(line) for line in (lines[0], lines[-1])} - {None} if lines else set()
    return ends.pop() if len(ends) == 1 else None


def _leading(text: str) -> bool | None:
    """The verdict that a text consists of or begins with."""
    if (plain := _PLAIN.get(text.strip(_WRAPPING).lower())) is not None:
        return plain
    first = _LEADING.match(text)
    return _PLAIN[first[1].lower()] if first else None


def _yes_or_no(text: str) -> bool | None:
    """The verdict of a few words. "true" and "false" themselves count before any other word."""
    if (leading := _leading(text)) is not None:
        return leading
    claims = [((m["good"] is not None) != bool(m["denied"]), m) for m in _WORD.finditer(text)]
    explicit = {good for good, m in claims if (m["good"] or m["bad"]).lower() in ("true", "false")}
    if _HEDGED.search(text) or len(explicit) > 1:
        return None
    verdicts = explicit or {good for good, _ in claims}
    return verdicts.pop() if len(verdicts) == 1 else None
