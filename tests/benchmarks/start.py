"""How long the command takes to start, each way against what a Python program cannot avoid, in turns.

`python -m tests.benchmarks.start` measures, with a store of 100,000 runs:

1. `flowreasoner` in a pseudo-terminal until its first screen has text, against a minimal Textual app;
2. `flowreasoner runs` against importing sqlite3 and rich's console;
3. `flowreasoner --help`, for which shell completion waits, against importing textual.app.

`runs` misses its limit: Typer reads options with pydantic, and importing both takes longer than the limit.

Prints medians of seconds, their ratio, and the same of processor time, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.recording import fill

FLOWREASONER = str(Path(sys.executable).with_name("flowreasoner"))
WORD = b"Runs"  # a tab of ours; in the first frame of both apps, which is drawn whole
PATIENCE_S = 60.0
MINIMAL = """
from textual.app import App
from textual.widgets import Static
class Minimal(App):
    def compose(self):
        yield Static("Runs")
Minimal().run()
"""


class Took(NamedTuple):
    """Seconds from the start of a process, and its processor seconds until then."""

    wall: float
    cpu: float


class Pair(NamedTuple):
    """Something to measure, and what it is measured against; the ratio must stay below `limit`."""

    name: str
    ours: Sequence[str]
    peer: Sequence[str]
    limit: float
    on_screen: bool = False


PAIRS = (
    Pair("first screen", [FLOWREASONER], [sys.executable, "-c", MINIMAL], 1.9, on_screen=True),
    Pair("runs", [FLOWREASONER, "runs"], [sys.executable, "-c", "import sqlite3, rich.console"], 1.5),
    Pair("--help", [FLOWREASONER, "--help"], [sys.executable, "-c", "import textual.app"], 1.2),
)


def until_painted(command: Sequence[str], env: Mapping[str, str]) -> Took:
    """From starting `command` in a terminal of 130×40 until it has written a word of its first frame."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 130, 0, 0))
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=env, start_new_session=True
    )
    os.close(follower)
    try:
        seen = b""
        while WORD not in seen:
            ready, _, _ = select.select([leader], [], [], PATIENCE_S)
            try:
                piece = os.read(leader, 65536) if ready else b""
            except OSError:
                piece = b""  # the process ended
            if not piece:
                raise RuntimeError(f"no first screen; the terminal received: {seen[-2000:]!r}")
            seen += piece
        wall = time.perf_counter() - begun
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        cpu = _reaped(process)
        os.close(leader)
    return Took(wall, cpu)


def until_ended(command: Sequence[str], env: Mapping[str, str]) -> Took:
    """From starting `command`, whose output goes nowhere, until its end."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env)
    cpu = _reaped(process)
    wall = time.perf_counter() - begun
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Took(wall, cpu)


def _reaped(process: subprocess.Popen[bytes]) -> float:
    """Wait for the end of a process; its processor seconds."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def measured(pair: Pair, times: int, env: Mapping[str, str]) -> tuple[Took, Took]:
    """The medians of both sides, in turns; the first turn, which also writes bytecode, does not count."""
    measure = until_painted if pair.on_screen else until_ended
    rounds = [(measure(pair.ours, env), measure(pair.peer, env)) for _ in range(times + 1)][1:]
    return _median([ours for ours, _ in rounds]), _median([peer for _, peer in rounds])


def _median(all_took: Sequence[Took]) -> Took:
    return Took(statistics.median(t.wall for t in all_took), statistics.median(t.cpu for t in all_took))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=9, help="turns of each pair")
    parser.add_argument("--runs", type=int, default=100_000, help="runs in the store")
    parser.add_argument("--only", choices=[pair.name for pair in PAIRS], help="measure one pair")
    options = parser.parse_args()
    # What is installed has its bytecode, so the variable that keeps it from being written is not passed on.
    others = ("SSH_", "TEXTUAL", "FLOWREASONER", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(others)}
    with tempfile.TemporaryDirectory() as home:
        store = Path(home) / "store.db"
        fill(store, options.runs)
        terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        own = {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home, "FLOWREASONER_STORE": str(store)}
        env = kept | terminal | own
        print(f"{'':14}{'ours':>8}{'peer':>8}{'ratio':>7}{'limit':>7}    of processor time")
        for pair in PAIRS:
            if options.only in (None, pair.name):
                ours, peer = measured(pair, options.times, env)
                wall = f"{ours.wall * 1e3:5.0f} ms{peer.wall * 1e3:5.0f} ms{ours.wall / peer.wall:7.2f}"
                cpu = f"{ours.cpu * 1e3:.0f} / {peer.cpu * 1e3:.0f} ms = {ours.cpu / peer.cpu:.2f}"
                print(f"{pair.name:14}{wall}{pair.limit:7.1f}    {cpu}", flush=True)


if __name__ == "__main__":
    main()
