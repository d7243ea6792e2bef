"""API keys that this process has read, taken out of every text that leaves it.

Code that reads a key passes it to `remember`; code that lets text out (events, messages to people, logs,
exports) passes the text through `hide`. A key is found in any form in which it may have been escaped: as
Python, JSON, HTML, a URL or a shell write it, as bytes, in base64 and in hexadecimal digits.

Keys of fewer than `SHORTEST` characters are not looked for, nor are the words that local servers want in
place of a key (`PLACEHOLDERS`), because ordinary texts hold them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import regex

SHORTEST = 6
HIDDEN = "<key>"
PLACEHOLDERS = {
    *("default", "lm-studio", "no-key", "not-needed", "ollama", "placeholder", "unused"),
    *("sk-no-key-required", "token-abc123"),
}
_WORD = re.compile(r"[A-Za-z0-9]+")
_LEAST_ANCHOR = 3  # shorter words are in nearly every text, so looking for them first saves nothing
_LEAST_ENCODED = 7
# The beginnings of escapes, once or several times. All repeats are bounded, because the text may be a million
# backslashes.
_SLASHES, _PERCENT, _AMPERSAND, _ZEROS = r"\\{1,16}", "%(?:25){0,3}", "&(?:amp;){0,3}", "0{0,6}"
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_LETTERS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\v": "v", "\a": "a"}  # as in `\n`
_LONGEST_ESCAPE = 10  # characters, as in `&amp;#x2b;`: how far back the beginning of a key may lie


class Secrets:
    """A set of keys, and the expressions that find them in every escaped form."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys: list[_Key] = []
        self._known: set[str] = set()
        for key in keys:
            self.add(key)

    def add(self, key: str) -> None:
        """Hide `key` from now on: the whole of it, it without blank ends, and each of its lines."""
        for form in {key, key.strip(), *(line.strip() for line in key.splitlines())} - self._known:
            if len(form) >= SHORTEST and form.lower() not in PLACEHOLDERS:
                self._known.add(form)
                self._keys.append(_Key(form))
        # The longest first, so that none is left half.
        self._keys.sort(key=lambda one: -len(one.text))

    def hide(self, text: str) -> str:
        """`text` with `HIDDEN` in place of every key."""
        for key in self._keys:
            text = key.hide(text)
        return text

    def held(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a key. A stream holds these
        back.
        """
        return max((key.held(text) for key in self._keys), default=0)

    def hide_in(self, value: Any) -> Any:
        """JSON-ready data, which may have tuples, with the keys hidden in every text of it."""
        return in_texts(value, self.hide) if self._keys else value


class _Key:
    """One key in all its forms."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._anchor = max(_WORD.findall(text), key=len, default="")
        self._escaped = re.compile("".join(map(_escaped, text)))
        self._encoded = tuple(dict.fromkeys(_encoded(text.encode("utf-8", "surrogatepass"))))

    def hide(self, text: str) -> str:
        # Most texts hold no part of the key, and looking for a fixed word is much cheaper than the
        # expression.
        if len(self._anchor) < _LEAST_ANCHOR or self._anchor in text:
            text = self._escaped.sub(HIDDEN, text)
        for form in self._encoded:
            if form in text:
                text = text.replace(form, HIDDEN)
        return text

    def held(self, text: str) -> int:
        tail = text[-_LONGEST_ESCAPE * len(self.text) :]
        match = _partial(self.text).search(tail, partial=True)
        return len(tail) - match.start() if match is not None and match.partial else 0


@lru_cache(maxsize=64)
def _partial(key: str) -> regex.Pattern[str]:
    """The expression of a key for partial matches at the end of a text, which `re` does not have."""
    import regex

    forms = _encoded(key.encode("utf-8", "surrogatepass"))
    return regex.compile("|".join(["".join(map(_escaped, key)), *map(re.escape, forms)]))


def _escaped(char: str) -> str:
    """An expression for a character in each of the usual escapes, all of which leave letters and digits
    alone.
    """
    if char.isascii() and char.isalnum():
        return char
    codes, number = char.encode("utf-8", "surrogatepass"), ord(char)
    forms = [
        "".join(f"{_PERCENT}{code:02x}" for code in codes),
        "".join(f"{_SLASHES}x{code:02x}" for code in codes),
        *(f"{_SLASHES}u{number:04x}", f"{_SLASHES}U{number:08x}", f"{_SLASHES}x{number:02x}"),
        *(f"{_SLASHES}{number:03o}", f"{_AMPERSAND}#{_ZEROS}{number};", f"{_AMPERSAND}#x{_ZEROS}{number:x};"),
    ]
    if number < 128:
        forms.append(f"={number:02x}")
    if number > 0xFFFF:
        high, low = divmod(number - 0x10000, 0x400)
        forms.append(f"{_SLASHES}u{0xD800 + high:04x}{_SLASHES}u{0xDC00 + low:04x}")
    if char in _ENTITIES:
        forms.append(f"{_AMPERSAND}{_ENTITIES[char]};")
    if char in _LETTERS:
        forms.append(f"{_SLASHES}{_LETTERS[char]}")
    if char == " ":
        forms.append(r"\+")
    return rf"(?:(?:{_SLASHES})?{re.escape(char)}|(?i:{'|'.join(forms)}))"


def _encoded(key: bytes) -> Iterable[str]:
    """How the key appears in texts in base64 or hexadecimal digits, at whichever offset it stands."""
    yield from (key.hex(), key.hex().upper())
    for before in range(3):
        text = base64.b64encode(b"\0" * before + key).decode("ascii")
        # The characters, of six bits each, that depend only on the key.
        certain = text[-(-before * 8 // 6) : (before + len(key)) * 8 // 6]
        if len(certain) >= _LEAST_ENCODED:
            yield certain
            yield certain.translate(str.maketrans("+/", "-_"))


def in_texts(value: Any, change: Callable[[str], str]) -> Any:
    """JSON-ready data, which may have tuples, with `change` applied to every text in it, names of fields too.

    The content of a file (`base64` in an object) is decoded, changed and encoded again.
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        changed = {change(k) if isinstance(k, str) else k: in_texts(v, change) for k, v in value.items()}
        if isinstance(value.get("base64"), str):
            changed["base64"] = _in_base64(value["base64"], change)
        return changed
    if isinstance(value, list | tuple):
        changed = [in_texts(item, change) for item in value]
        return tuple(changed) if isinstance(value, tuple) else changed
    return value


def _in_base64(text: str, change: Callable[[str], str]) -> str:
    try:
        content = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return change(text)
    # Latin-1 has a character for every byte, so that binary content survives.
    changed = change(content.decode("latin-1"))
    return base64.b64encode(changed.encode("latin-1")).decode("ascii")


# One set for the whole process: a key must not leave it, whichever part of the program lets a text out.
_PROCESS = Secrets()
remember = _PROCESS.add
hide = _PROCESS.hide
held = _PROCESS.held
hide_in = _PROCESS.hide_in
