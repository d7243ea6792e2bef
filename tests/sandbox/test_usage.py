"""What a process used is noted, whichever is heard of first: its answer, its birth or its end."""

from __future__ import annotations

import subprocess
import sys

from sandbox.guest.process import End, Process


def _answered() -> Process:
    """A process whose answer came before word of its pid."""
    process = Process("call", 1, {"result_bytes": 100}, "/")
    process.kill()
    assert process.unaccounted
    return process


def test_it_is_noted_at_word_of_its_birth() -> None:
    process = _answered()
    waits = [sys.executable, "-I", "-S", "-c", "print('up', flush=True), input()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline()  # of one just born, nothing is known yet
        process.spawned(child.pid)
    assert child.returncode == -9
    assert not process.unaccounted
    cpu_ms, rss_kb = process.usage
    assert cpu_ms > 0 and rss_kb > 0
    process.close()


def test_it_is_its_parents_account_where_it_was_gone_by_then() -> None:
    process = _answered()
    process.spawned(2**22 + 1)  # no such process
    assert process.unaccounted
    process.end = End(0, 12.0, 3400)
    assert (process.unaccounted, process.usage) == (False, (12.0, 3400))
    process.close()
