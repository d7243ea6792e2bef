"""The solution in a reply that may be prose, fenced blocks, bare code, or the rest of a function.

The block that solves the task is looked for, and the parts of other blocks that it needs are put before it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable

from engine.guest.syntax import allowance, is_stub
from engine.operators.dressing import tidy, without_end
from engine.operators.fences import Block, blocks
from engine.operators.loose_code import completed, loose_code
from engine.operators.pieces import Piece, piece_of, with_needs

# Ends the line that makes a method of a class a function of the name asked for.
REPAIRED = "# repaired: the function was a method of a class"
_LEAD = 300  # characters before a block that are searched for words about it
# What a reply says of the block that follows: not to use it, or that it is the one.
_CUE = re.compile(
    r"\b(?:(?P<no>(?:do not|don['\u2019]?t|never|not|does(?: not|n['\u2019]?t)|won['\u2019]?t) (?:\w+ )?"
    r"(?:work\w*|right|correct|valid|do|use|write|like)|avoid|wrong\w*|incorrect\w*|buggy|broken|bad"
    r"|mistake\w*|anti-?pattern|naive|slow(?:er)?|inefficient|brute[- ]force|fail(?:s|ing|ed)?|original"
    r"|your (?:code|version|attempt)|instead of|rather than|counter-?example|(?:before|old|previous)(?=\W*$))"
    r"|(?P<yes>correct(?:ed|ly)?|right|final|fixed|better|improved|full|complete|instead|new|updated|works?"
    r"|working|should (?:be|look)))\b",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"^\W*(?:instead of|rather than|unlike)\b[^,\n]*,", re.IGNORECASE)
_CODE_SPAN = re.compile(r"(?<!`)(`{1,2})(?!`)([^`\n]{6,2000})\1(?!`)")


def extract_code(reply: str, entry_point: str | None = None, prompt: str | None = None) -> str:
    """The code in a reply, which defines `entry_point` where one is named and the reply has it.

    With a `prompt` that ends in a function's head, a reply may be the rest of it. Where a class has a method
    in place of the function, a line that ends in `REPAIRED` makes it a function. Where nothing can be read as
    code, the longest block is returned, or the reply as it is. Never raises, and parses only within an
    allowance (`engine.guest.syntax`).
    """
    text = tidy(reply)
    with allowance():
        code = _solution(text, entry_point, prompt) if entry_point else _any_code(text)
        if code is None:
            everything = blocks(text)
            bodies = [b.body.strip("\n") for b in everything if b.is_python or not b.language]
            code = max(bodies, key=len, default="") or text
    return code.strip("\n")


def all_code(reply: str) -> str:
    """All Python code in a reply, in order. For tests, where every block counts and none is the solution."""
    text = tidy(reply)
    with allowance():
        if (whole := piece_of(without_end(text))) is not None:
            return whole.code
        pieces = _pieces(text, blocks(text), lambda b: b.is_python or not b.language)
        return "\n\n".join(p.code for p in pieces or _loose(text))


def is_repaired(code: str) -> bool:
    """Whether `extract_code` made this code's function from a method of a class."""
    return code.rstrip().endswith(REPAIRED)


def _solution(text: str, name: str, prompt: str | None) -> str | None:
    """Code that defines `name`, by the first of several readings that has it, the surest first."""
    whole = piece_of(without_end(text))
    if whole is not None and whole.real(name):
        return whole.code
    everything = blocks(text)
    marked = _pieces(text, everything, lambda b: b.is_python or not b.language)
    others = _pieces(text, everything, lambda b: bool(b.language) and not b.is_python)
    readings: tuple[Callable[[], Iterable[Piece]], ...] = (
        lambda: marked,
        lambda: _loose(text),
        lambda: _joined(everything),
        lambda: [p for b in everything if (code := loose_code(b.body)) and (p := piece_of(code))],
        lambda: [*others, *_of_json(text, everything)],
        lambda: [p for m in _CODE_SPAN.finditer(text) if (p := piece_of(m[2]))],
    )
    stubs: Piece | None = whole if whole is not None and whole.definitions(name) else None
    for reading in readings:
        pieces = list(reading())
        defining = [p for p in pieces if p.real(name)]
        if defining:
            best = [p for p in defining if not p.warned] or defining
            return with_needs(best[-1], pieces or marked)
        stubs = stubs or next((p for p in pieces if p.definitions(name)), None)
        if (method := _method(pieces, name)) is not None:
            return method
    if prompt is not None:
        bodies = [*(b.body for b in everything if b.is_python or not b.language), without_end(text)]
        for body in bodies:
            if (rest := completed(prompt, body, name)) is not None:
                return rest
    if stubs is not None:
        return stubs.code
    imported = [p for p in (whole, *marked) if p and name in p.bound]
    return imported[-1].code if imported else None


def _any_code(text: str) -> str | None:
    """The code of a reply where no function was asked for: the blocks that define something, or all of
    them.
    """
    whole = piece_of(without_end(text))
    if whole is not None:
        return whole.code
    everything = blocks(text)
    pieces = _pieces(text, everything, lambda b: b.is_python or not b.language)
    pieces = [p for p in pieces if p.tree.body]
    solving = [p for p in pieces if p.defined and not p.warned] or [p for p in pieces if p.defined]
    if solving:
        later: set[str] = set()
        kept: list[Piece] = []
        for piece in reversed(solving):  # of two versions the last counts
            if not piece.defined <= later:
                kept.insert(0, piece)
            later |= piece.defined
        code = "\n\n".join(p.code for p in kept)
        joined = piece_of(code)
        return with_needs(joined, pieces) if joined is not None else kept[-1].code
    doing = [
        p for p in pieces if not all(isinstance(s, ast.Expr) and _is_value(s.value) for s in p.tree.body)
    ]
    if doing or pieces:
        return "\n\n".join(p.code for p in doing or pieces[:1])
    loose = [p for p in _loose(text) if p.defined]
    return loose[0].code if loose else None


def _pieces(text: str, everything: list[Block], accepts: Callable[[Block], bool]) -> list[Piece]:
    """The accepted blocks that are Python; of one that is cut off, its complete statements."""
    pieces: list[Piece] = []
    ends = [0, *(block.end for block in everything)]
    for block, before in reversed([*zip(everything, ends, strict=False)]):  # the last ones matter most
        if not accepts(block):
            continue
        warned = _warns(text[max(before, block.start - _LEAD) : block.start], block.body)
        piece = piece_of(block.body, warned)
        if piece is None and not block.closed and (whole := loose_code(block.body)):
            piece = piece_of(whole, warned)
        if piece is not None:
            pieces.insert(0, piece)
    return pieces


def _warns(lead: str, body: str) -> bool:
    """Whether the last words before a block, or the comment it begins with, say not to use it."""
    last = re.split(r"(?<=[.!?;])\s|\n\s*\n", lead.strip())[-1]
    comment = re.match(r"\s*#([^\n]*)", body)
    return any(_says_no(words) for words in (last, comment[1] if comment else ""))


def _says_no(words: str) -> bool:
    """The first thing said counts: "the corrected version of your original code" praises."""
    cue = _CUE.search(_ASIDE.sub("", words))
    return cue is not None and cue["no"] is not None


def _loose(text: str) -> list[Piece]:
    code = loose_code(without_end(text))
    piece = piece_of(code) if code else None
    return [piece] if piece is not None else []


def _joined(everything: list[Block]) -> list[Piece]:
    """Blocks that are Python only together, as where prose interrupts a function."""
    bodies = [b.body.strip("\n") for b in everything if b.is_python or not b.language]
    piece = piece_of("\n".join(bodies)) if len(bodies) > 1 else None
    return [piece] if piece is not None else []


def _of_json(text: str, everything: list[Block]) -> list[Piece]:
    """Code that is a value of a JSON object."""
    for source in (text, *(b.body for b in everything if b.language in ("json", "json5", "jsonc"))):
        start, end = source.find("{"), source.rfind("}")
        if start < 0 or end < start or end - start > 1_000_000:
            continue
        try:
            data = json.loads(source[start : end + 1], strict=False)
        except (ValueError, RecursionError):
            continue
        values = data.values() if isinstance(data, dict) else ()
        codes = [extract_code(v) for v in values if isinstance(v, str)]
        return [p for code in codes if (p := piece_of(code)) is not None]
    return []


def _method(pieces: list[Piece], name: str) -> str | None:
    """A piece whose class has a method `name`, with a function of that name that calls it."""
    for piece in reversed(pieces):
        for cls in (s for s in piece.tree.body if isinstance(s, ast.ClassDef)):
            methods = {m.name: m for m in cls.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)}
            if name in methods and not is_stub(methods[name]) and _takes_nothing(methods.get("__init__")):
                code = with_needs(piece, pieces)
                return f"{code}\n\n\n{name} = {cls.name}().{name}  {REPAIRED}"
    return None


def _takes_nothing(init: ast.FunctionDef | ast.AsyncFunctionDef | None) -> bool:
    """Whether a class can be called without arguments."""
    if init is None:
        return True
    needed = len(init.args.posonlyargs) + len(init.args.args) - len(init.args.defaults)
    return needed <= 1 and all(d is not None for d in init.args.kw_defaults)


def _is_value(node: ast.expr) -> bool:
    """Whether an expression is a mere value, as in a block that holds a program's output."""
    return not any(isinstance(n, ast.Call | ast.Await) for n in ast.walk(node))
