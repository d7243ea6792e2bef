"""Standard output that is no UTF-8, full, closed or gone; and what is said while it takes long."""

from __future__ import annotations

import asyncio
import json
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, Ended, Shell

SENTENCE = "flowreasoner: standard output cannot be written (No space left on device)\n"


async def redirected(shell: Shell, command: str, where: str) -> Ended:
    """The command with a redirection of the shell's."""
    process = await asyncio.create_subprocess_shell(
        f"{shlex.quote(str(COMMAND))} {command} {where}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=shell.env,
        cwd=shell.home,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(errors="replace"), err.decode())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "command", ["benchmarks", "benchmarks --json", "variants", "models", "runs", "--help", "config show"]
)
async def test_a_full_disk_is_one_sentence(shell: Shell, command: str) -> None:
    with open("/dev/full", "wb", 0) as full:  # noqa: ASYNC230 - a device
        ended = await shell(*command.split(), stdout=full.fileno())
    assert (ended.code, ended.err) == (3, SENTENCE)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16"])
async def test_a_character_that_the_encoding_lacks_is_an_escape(shell: Shell, encoding: str) -> None:
    shell.env["PYTHONIOENCODING"] = encoding
    (shell.home / "größe→.json").write_text('{"id": "→"}')
    ended = await redirected(shell, "benchmarks --data größe→.json", "")
    assert (ended.code, ended.err) == (0, "")
    if encoding == "ascii":
        assert r"gr\xf6\xdfe\u2192.json" in ended.out


async def test_a_closed_stream_is_no_bug(shell: Shell) -> None:
    ended = await redirected(shell, "benchmarks", ">&-")
    assert ended.code == 3
    assert ended.err == "flowreasoner: standard output is closed; give it a file or a terminal\n"
    assert (await redirected(shell, "benchmarks", "2>&-")).code == 0
    ended = await redirected(shell, "run -", "<&-")
    assert ended.code == 2
    assert "standard input is empty" in ended.err
    ended = await redirected(shell, "benchmarks", "| head -1")
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.usefixtures("light_sandbox")
async def test_verify_says_how_far_it_is_while_it_takes_long(shell: Shell) -> None:
    slow = {
        "id": "slow",
        "prompt": "?",
        "entry_point": "f",
        "tests": {"test": ["assert f() is None"]},
        "metadata": {"reference": "import time\ndef f():\n    time.sleep(12)"},
    }
    (shell.home / "slow.jsonl").write_text(json.dumps(slow))
    ended = await shell("verify", "slow.jsonl", "--json")
    if ended.code == 3:
        pytest.skip(f"no sandbox: {ended.err}")
    assert "0 of 1 references checked\n" in ended.err
    assert json.loads(ended.out)["passed"] == 1  # and standard output holds the report alone
