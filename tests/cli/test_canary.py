"""An awkward key, repeated by the endpoint in every form: it reaches no screen, store, log or export."""

from __future__ import annotations

import base64
import json
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest

from store import packing
from tests.cli.conftest import Models, Shell
from tests.support.openai_server import DONE, Piece, Reply, chunk, failure, usage
from tests.support.runs import DOUBLE, RIGHT

pytestmark = pytest.mark.usefixtures("light_sandbox")

KEY = "ca\"na'ry\\key/with+every=thing %41 &<x>;:|0123456789"
FORMS = [
    KEY,
    repr(KEY),
    repr(KEY.encode()),
    json.dumps(KEY),
    json.dumps(json.dumps(KEY)),
    quote(KEY),
    quote(KEY, safe=""),
    base64.b64encode(KEY.encode()).decode(),
    base64.urlsafe_b64encode(f"Bearer {KEY}".encode()).decode(),
    KEY.encode().hex(),
]
# What no text may hold: parts that are in the key and in nothing else, plain and as base64 and hex have them.
TELLTALE = ["ry\\key", "key/with", "key%2Fwith", "0123456789", "every=thing", "every%3Dthing"]
TELLTALE += ["MDEyMzQ1Njc4", "AxMjM0NTY3O", "wMTIzNDU2Nz", b"key/with".hex()]


def leaks(text: str) -> list[str]:
    return [part for part in TELLTALE if part.lower() in text.lower()]


def everything_in(store: Path) -> str:
    """All texts of a database, compressed ones unpacked."""
    found: list[str] = []
    with sqlite3.connect(store) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in db.execute(f'SELECT * FROM "{table}"'):
                found += [_text(value) for value in row]
    return "\n".join(found)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        if packing.is_packed(value):
            value = packing.unpack(value)
        return value.decode("utf-8", "replace")
    return str(value)


@pytest.fixture
def problem_file(tmp_path: Path) -> Path:
    path = tmp_path / "double.json"
    path.write_text(json.dumps(DOUBLE.to_json()))
    return path


@pytest.fixture
def secret(shell: Shell) -> Shell:
    shell.env["FLOWREASONER_ENDPOINTS__LOCAL__API_KEY_ENV"] = "LOCAL_SECRET"
    shell.env["LOCAL_SECRET"] = f" {KEY}\n"
    shell.env["FLOWREASONER_ENDPOINTS__LOCAL__MAX_RETRIES"] = "1"
    return shell


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_errors_that_repeat_the_key(
    secret: Shell, models: Models, problem_file: Path, status: int
) -> None:
    models.replies["worker"] = failure(status, "You sent " + " and ".join(FORMS))
    ended = await secret("run", str(problem_file), "--variant", "vanilla", "--repeats", "1")
    asked = models.server.headers[-1]["authorization"]
    assert asked == f"Bearer {KEY}"
    assert ended.code == 3
    assert "You sent <key>" in ended.out
    assert not leaks(ended.out + ended.err + everything_in(secret.store))


async def test_answers_that_repeat_the_key(secret: Shell, models: Models, problem_file: Path) -> None:
    said = RIGHT + "\n" + "\n".join(FORMS)
    script: list[Piece] = [chunk(reasoning_content=said[i : i + 7]) for i in range(0, len(said), 7)]
    script += [chunk(said[i : i + 3]) for i in range(0, len(said), 3)]
    # A pause within the key: what has come is shown meanwhile.
    script.insert(len(script) - 60, 0.2)
    models.replies["worker"] = Reply([*script, chunk(finish="stop"), usage(3, 4), DONE])
    ended = await secret("run", str(problem_file), "--variant", "vanilla", "--repeats", "1", "--json")
    assert ended.code == 0, ended.err
    assert "<key>" in ended.out
    run = json.loads(ended.out.splitlines()[-1])["run_id"]
    told = ended.out + ended.err + everything_in(secret.store)
    deltas = [json.loads(line) for line in ended.out.splitlines() if '"model_delta"' in line]
    told += "".join(event["text"] for event in deltas)
    for args in (("show", run), ("show", run, "--json"), ("config", "show"), ("models",)):
        ended = await secret(*args)
        assert ended.code == 0, ended.err
        told += ended.out + ended.err
    for format in ("jsonl", "markdown", "html"):
        ended = await secret("export", run, "--format", format, "--out", f"out.{format}")
        assert ended.code == 0, ended.err
        told += (secret.home / f"out.{format}").read_text() + ended.out
    assert not leaks(told)


@pytest.mark.parametrize("inner", ["\n", "\r\n ", "\t", "\x1b[31m", "é", "\u2028"])
async def test_a_key_that_cannot_be_sent(
    secret: Shell, models: Models, problem_file: Path, inner: str
) -> None:
    secret.env["LOCAL_SECRET"] = f"ca\"na'ry\\key{inner}0123456789"
    ended = await secret("run", str(problem_file), "--variant", "vanilla")
    assert ended.code == 3
    assert "LOCAL_SECRET" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not leaks(ended.out + ended.err)
    assert models.server.requests == []
