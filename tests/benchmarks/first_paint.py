"""Time to the first frame, against a minimal Textual app: `python -m tests.benchmarks.first_paint`.

Both run as processes of their own under a pseudo-terminal, in turns, so that a busy machine slows
both. The clock runs from the fork until the first text of the app is among the bytes the terminal
received. The workbench has a store of 100,000 runs. Prints medians and their ratio; the target is 2.2.
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
from pathlib import Path

from tests.benchmarks.recording import fill

TARGET = 2.2
PATIENCE_S = 30.0

MINIMAL = """
from textual.app import App
from textual.widgets import Static
class Minimal(App):
    def compose(self):
        yield Static("FlowReasoner")
Minimal().run()
"""
WORKBENCH = """
import sys
from pathlib import Path
from tui.app import WorkbenchApp
from tests.tui.scripted import ScriptedWorkbench
WorkbenchApp(ScriptedWorkbench(Path(sys.argv[1]))).run()
"""


def first_paint_s(code: str, *args: str) -> float:
    """Seconds from starting `code` until its text is on the terminal."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 130, 0, 0))
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SSH_", "TEXTUAL"))}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=env | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
        start_new_session=True,
    )
    os.close(follower)
    try:
        seen = b""
        while b"FlowReasoner" not in seen:
            ready, _, _ = select.select([leader], [], [], PATIENCE_S)
            try:
                piece = os.read(leader, 65536) if ready else b""
            except OSError:
                piece = b""  # the process ended
            if not piece:
                raise RuntimeError(f"no first frame; the terminal received: {seen[-2000:]!r}")
            seen += piece
        return time.perf_counter() - begun
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(leader)


def ratio(times: int, runs: int) -> tuple[float, float]:
    """Median seconds of the minimal app and of the workbench."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.db"
        fill(store, runs)
        minimal: list[float] = []
        workbench: list[float] = []
        for number in range(times + 1):
            a, b = first_paint_s(MINIMAL), first_paint_s(WORKBENCH, str(store))
            if number:  # the first turn also writes bytecode and warms the page cache
                minimal.append(a)
                workbench.append(b)
    return statistics.median(minimal), statistics.median(workbench)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--runs", type=int, default=100_000)
    options = parser.parse_args()
    minimal, workbench = ratio(options.times, options.runs)
    print(f"minimal app   {minimal * 1000:6.0f} ms")
    print(f"workbench     {workbench * 1000:6.0f} ms")
    print(f"ratio         {workbench / minimal:6.2f}   (target ≤ {TARGET})")


if __name__ == "__main__":
    main()
