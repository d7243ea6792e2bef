"""Keys are found in every form in which they may leave, and nothing else is."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.secrets import HIDDEN, PLACEHOLDERS, Secrets

KEYS = [
    "sk-plain-0123456789",
    "a\"b'c\\d`e$f-0123",
    "abc/def+ghi==",
    "p@ss w0rd&co<x>%41",
    "k;e:y|with,{all}[of](it)!?#*^~",
    "line one-01\nline two-02",
    "tab\tand\rreturn-99",
    "schlüssel-ключ-鍵-😀x",
    "!!??//++==",
    "9" * 24,
    "sk-" + "Ab1_" * 40,
]
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "repr": repr,
    "repr of bytes": lambda key: repr(key.encode()),
    "repr of repr": lambda key: repr([repr(key)]),
    "header error": lambda key: f"Illegal header value {b'Bearer ' + key.encode()!r}",
    "json": json.dumps,
    "json as it is": lambda key: json.dumps({"k": key}, ensure_ascii=False),
    "json in json": lambda key: json.dumps({"m": json.dumps({"k": key})}),
    "json of Go": lambda key: (
        json.dumps(key).replace("&", "\\u0026").replace("<", "\\u003c").replace("+", "\\u002B")
    ),
    "json of PHP": lambda key: json.dumps(key).replace("/", "\\/"),
    "url": quote,
    "url, all of it": lambda key: quote(key, safe=""),
    "url in lower case": lambda key: re.sub("%..", lambda code: code[0].lower(), quote(key, safe="")),
    "form": quote_plus,
    "query": lambda key: urlencode({"key": key, "n": 1}),
    "url twice": lambda key: quote(quote(key, safe=""), safe=""),
    "html": html.escape,
    "html numbers": lambda key: "".join(c if c.isalnum() and c.isascii() else f"&#{ord(c)};" for c in key),
    "html hex": lambda key: "".join(c if c.isalnum() and c.isascii() else f"&#x{ord(c):X};" for c in key),
    "shell": shlex.quote,
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 for urls": lambda key: base64.urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "basic auth": lambda key: "Basic " + base64.b64encode(f"user:{key}".encode()).decode(),
    "base64 of a header": lambda key: base64.b64encode(f"Bearer {key}\r\n".encode()).decode(),
    "base64 of json": lambda key: base64.b64encode(b'{"k":"' + key.encode() + b'"}').decode(),
    "hex": lambda key: key.encode().hex(),
    "HEX": lambda key: key.encode().hex().upper(),
}


def pieces(key: str) -> list[str]:
    """Parts of a key that give it away: its words."""
    return [word for word in key.replace("\n", " ").split() if len(word) >= 6 and word.isalnum()]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_found_in_every_form(key: str, form: str) -> None:
    if form == "shell" and "'" in key:
        pytest.skip("a shell writes this one in two pieces")
    text = FORMS[form](key)
    hidden = Secrets([key]).hide(f"before {text} after")
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    assert HIDDEN in hidden
    # What is left is what the form itself adds: quotes, names, and the ends of groups of base64.
    left = hidden.replace(HIDDEN, "")
    assert len(left) <= len("before  after") + len(FORMS[form]("")) + 24
    assert not [p for p in pieces(key) if p in left]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "form", ["plain", "repr of bytes", "json in json", "url, all of it", "base64 of json", "hex"]
)
def test_a_key_that_comes_in_pieces_is_held_until_it_is_one(key: str, form: str) -> None:
    secrets, text = Secrets([key]), FORMS[form](key)
    for cut in range(1, len(text)):
        first = secrets.hide("see " + text[:cut])
        keep = secrets.held(first)
        shown, rest = first[: len(first) - keep], secrets.hide(first[len(first) - keep :] + text[cut:])
        assert HIDDEN in shown + rest, cut


def test_text_that_is_no_beginning_of_a_key_is_not_held() -> None:
    secrets = Secrets(["sk-plain-0123456789"])
    assert secrets.held("and so it goes on.") == 0
    assert secrets.held("it begins with s") == 1
    assert secrets.held("it begins with sk-pl") == 5
    assert Secrets().held("anything") == 0


def test_of_two_keys_the_longer_goes_first() -> None:
    assert (
        Secrets(["sk-abcdef", "sk-abcdef-and-more"]).hide("sk-abcdef-and-more, sk-abcdef") == "<key>, <key>"
    )


@pytest.mark.parametrize("word", ["EMPTY", "none", "abc", "", *sorted(PLACEHOLDERS)])
def test_words_that_stand_for_no_key_stay(word: str) -> None:
    text = f"run {word} with {word}/model"
    assert Secrets([word]).hide(text) == text


def test_every_line_and_the_middle_of_a_broken_key_are_keys() -> None:
    secrets = Secrets(["  first-half\nsecond-half  "])
    assert secrets.hide("first-half then second-half") == "<key> then <key>"


@given(st.text(max_size=80), st.text(max_size=80))
def test_other_text_is_left_alone(before: str, after: str) -> None:
    key = "zq-7Yx-QQ-zz"
    if key not in before and key not in after:
        assert Secrets([key]).hide(f"{before}{after}") == f"{before}{after}"
        assert Secrets([key]).hide(f"{before}{key}{after}") == f"{before}{HIDDEN}{after}"


def test_data_and_files_in_it() -> None:
    key = "sk-plain-0123456789"
    file = base64.b64encode(f"x = '{key}'".encode()).decode()
    value = {key: [key, (key, 1, None)], "files": [{"name": key, "base64": file}]}
    hidden = Secrets([key]).hide_in(value)
    assert hidden == {
        HIDDEN: [HIDDEN, (HIDDEN, 1, None)],
        "files": [{"name": HIDDEN, "base64": base64.b64encode(f"x = '{HIDDEN}'".encode()).decode()}],
    }


@pytest.mark.parametrize("filler", ["\\", "%25", "&amp;", "/", "&#000", "s", "abc/", "abc\\"])
def test_long_runs_of_what_escapes_are_made_of_are_no_trouble(filler: str) -> None:
    key, text = "/abc/def+ghi==/&/", filler * 30_000
    hidden = Secrets([key]).hide(f"{text} abc def ghi {key}")
    assert hidden == f"{text} abc def ghi <key>"
