"""What must not leave this machine, taken out of everything that is exported.

This is the one place that decides it. What it takes out, each replaced by a word in angle brackets:

- `<key>`: the API keys of the settings, wherever and however escaped they stand (`engine.secrets`); what has
  the form of a key (OpenAI, Anthropic, Hugging Face, GitHub, GitLab, Slack, AWS, Google, JSON web tokens,
  private keys in PEM, `Bearer` headers); and what follows the `=` of an assignment to an upper-case name
  ending in KEY, TOKEN, SECRET or PASSWORD.
- `<environment>`: values of environment variables, but for those in `HARMLESS` and values that are plain
  words or numbers, which texts hold by chance. A variable named like a key is taken out whatever its value.
- `<endpoint>`: the addresses of servers that the settings name.
- `~`: the home folder, and anything of the form of one (`/home/NAME`, `/Users/NAME`, `C:\\Users\\NAME`).
- `<flowreasoner>`, `<python>`: the folders that this program and its interpreter lie in.

Keys and values of fewer than `SHORTEST` characters are not looked for: every text has them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.secrets import SHORTEST, Secrets, in_texts

if TYPE_CHECKING:
    from engine.config import Settings

_SHORTEST_VALUE = 8
# Their values are the same on most machines, or say what every trace says anyway.
_HARMLESS = """
    CHARSET COLORTERM COLUMNS DEBIAN_FRONTEND DISPLAY EDITOR HOME LANG LANGUAGE
    LINES LS_COLORS OLDPWD PAGER PATH PWD PYTEST_CURRENT_TEST PYTHONHASHSEED
    PYTHONPATH SHELL SHLVL TERM TERM_PROGRAM TERM_PROGRAM_VERSION TEXTUAL_DRIVER TZ
    VIRTUAL_ENV VISUAL _ FLOWREASONER_META_AGENT FLOWREASONER_SANDBOX FLOWREASONER_THEME
    FLOWREASONER_VARIANT FLOWREASONER_WORKER
"""
HARMLESS = frozenset(_HARMLESS.split())
_SECRET_NAME = re.compile(r"(?:_|API|^)KEYS?(?:_|$)|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r"[A-Za-z_-]*|[\d.:,]*")
_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:sk|rk|pk)-[A-Za-z0-9_-]{16,}"
    r"|\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,})"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    re.DOTALL,
)
# One of these is in everything that `_SHAPES` matches.
_MARKS = (
    *("-----BEGIN", "sk-", "rk-", "pk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
    *("hf_", "xox", "AKIA", "ASIA", "AIza", "eyJ"),
)
_BEARER = re.compile(r"\b(Bearer )[A-Za-z0-9._~+/=-]{8,}")
_ASSIGNED = re.compile(r"\b([A-Z][A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD)=)(['\"]?)[^\s'\"]{4,}")
_ENDS = ("KEY=", "TOKEN=", "SECRET=", "PASSWORD=")
_HOMES = re.compile(
    r"(?<![\w.~-])(?:/home|/Users)/[^/\s'\":,;<>()\[\]{}]+|\b[A-Za-z]:\\+Users\\+[^\\\s'\":,;<>]+"
)
_PACKAGE = Path(__file__).resolve().parents[1]


class Redactor:
    """Takes out of texts, and of plain data, what must not leave."""

    def __init__(
        self,
        keys: Iterable[str] = (),
        environment: Mapping[str, str] | None = None,
        home: Path | None = None,
        endpoints: Iterable[str] = (),
    ) -> None:
        """`keys` and `endpoints` are the settings' own; `environment` is variables by name."""
        self._keys = Secrets(keys)
        words = dict.fromkeys(endpoints, "<endpoint>")
        folders = {str(_PACKAGE): "<flowreasoner>", sys.prefix: "<python>", sys.base_prefix: "<python>"}
        if home is not None:
            folders |= {str(home): "~", str(home.resolve()): "~"}
        values = {value: "<environment>" for value in _telling(environment or {}) if value not in folders}
        # The longest first, so that none is left half.
        self._words = sorted({**values, **words}.items(), key=lambda word: -len(word[0]))
        self._folders = {path: word for path, word in folders.items() if len(path) > 4 and path != "/usr"}
        self._places = _alternatives(self._folders, r"(?![\w.-])")

    def text(self, text: str) -> str:
        """`text` with everything of the kinds above replaced by its word."""
        text = self._keys.hide(text)
        # Most texts have none of it, and looking for fixed words is much cheaper than the expressions.
        for word, instead in self._words:
            if word in text:
                text = text.replace(word, instead)
        if "/" in text or "\\" in text:
            text = self._places.sub(lambda found: self._folders[found[0]], text)
            text = _HOMES.sub("~", text)
        if any(mark in text for mark in _MARKS):
            text = _SHAPES.sub("<key>", text)
        if "Bearer " in text:
            text = _BEARER.sub(r"\1<key>", text)
        return _ASSIGNED.sub(r"\1\2<key>", text) if any(end in text for end in _ENDS) else text

    def data(self, value: Any) -> Any:
        """JSON-ready data with every text in it redacted, the names in objects included."""
        return in_texts(value, self.text)


def redactor(settings: Settings, environment: Mapping[str, str] | None = None) -> Redactor:
    """The redactor for these settings, the home folder and an environment, by default the process's own."""
    endpoints = settings.endpoints.values()
    keys = [key for endpoint in endpoints if (key := endpoint.raw_key())]
    addresses = [e.base_url for name, e in settings.endpoints.items() if name != "openai"]
    return Redactor(keys, os.environ if environment is None else environment, Path.home(), addresses)


def _telling(environment: Mapping[str, str]) -> Iterable[str]:
    """The values that tell something of this machine or its user."""
    for name, value in environment.items():
        if _SECRET_NAME.search(name) and len(value) >= SHORTEST:
            yield value
        elif name in HARMLESS or name.startswith("LC_") or len(value) < _SHORTEST_VALUE:
            continue
        elif not _PLAIN_VALUE.fullmatch(value):
            yield value


def _alternatives(words: Mapping[str, str], end: str) -> re.Pattern[str]:
    """One expression for all words, the longest first, so that none is left half."""
    return re.compile(
        "(?:" + "|".join(re.escape(w) for w in sorted(words, key=len, reverse=True)) + ")" + end
    )
