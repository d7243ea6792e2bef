"""Whole programs: what they read on standard input, and how they end, in both sandboxes."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import Limits
from sandbox.files import MAX_INPUT_BYTES

pytestmark = pytest.mark.asyncio(loop_scope="session")

READERS = {
    "input": "print(input())\nprint(input())",
    "sys.stdin": "import sys\nfor line in sys.stdin:\n    print(line, end='')",
    "read": "import sys\nprint(sys.stdin.read(), end='')",
    "buffer": "import sys\nsys.stdout.write(sys.stdin.buffer.read().decode())",
    "open": "print(open(0).read(), end='')",
    "descriptor": "import os\nos.write(1, os.read(0, 100))",
    "device": "print(open('/dev/stdin').read(), end='')",
    "child": "import os\nif os.fork() == 0:\n    print(open(0).read(), end='', flush=True)\n    os._exit(0)\n"
    "os.wait()",
}


@pytest.mark.parametrize("reader", READERS)
async def test_a_program_reads_its_standard_input(sandbox: Any, reader: str) -> None:
    outcome = await sandbox.run_program(READERS[reader], stdin="7 é\nb\n")
    assert (outcome.status, outcome.stdout, outcome.stderr) == ("passed", "7 é\nb\n", "")


ENDS = {
    "exit": "print('a')\nexit()",
    "sys.exit": "import sys\nprint('a')\nsys.exit(0)",
    "a thread": "import threading\ndef main():\n    threading.Event().wait(0.05)\n    print('a')\n"
    "threading.Thread(target=main).start()",
    "a deep thread": "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 26)\n"
    "def f(n):\n    return n and f(n - 1)\n"
    "def main():\n    f(20_000)\n    print('a')\n"
    "t = threading.Thread(target=main)\nt.start()\nt.join()",
    "at exit": "import atexit, sys\natexit.register(lambda: sys.stdout.write('a\\n'))",
    "main part": "if __name__ == '__main__':\n    print('a')",
    "own buffer": "import io, os, sys\nout = io.BytesIO()\nout.write(b'a\\n')\nos.write(1, out.getvalue())",
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_program_ends_as_in_an_interpreter_of_its_own(sandbox: Any, end: str) -> None:
    outcome = await sandbox.run_program(ENDS[end], stdin="")
    assert (outcome.status, outcome.stdout) == ("passed", "a\n")


async def test_a_status_other_than_0_is_a_failure(sandbox: Any) -> None:
    outcome = await sandbox.run_program("import sys\nsys.exit(3)", stdin="")
    assert (outcome.status, outcome.reason, outcome.message) == ("failed", "exception", "SystemExit: 3")


async def test_without_standard_input_there_is_nothing_to_read(sandbox: Any) -> None:
    outcome = await sandbox.run_program("input()")
    assert (outcome.status, outcome.reason) == ("failed", "exception")
    assert outcome.message.startswith("EOFError")


async def test_no_program_sees_the_input_of_another(sandbox: Any) -> None:
    look = (
        "import os\nfound = os.listdir('.')\n"
        "for folder in ('/tmp', '/dev/shm'):\n"
        "    found += [n for n in os.listdir(folder) if os.access(os.path.join(folder, n), os.W_OK)]\n"
        "print([n for n in found if 'stdin' in n])"
    )
    await sandbox.run_program("print(input())", stdin="secret\n")
    outcome = await sandbox.run_program(look, stdin="")
    assert (outcome.status, outcome.stdout) == ("passed", "[]\n")


async def test_a_program_that_does_not_read_its_input_still_ends(sandbox: Any) -> None:
    outcome = await sandbox.run_program("print('a')", stdin="x" * 1_000_000)
    assert (outcome.status, outcome.stdout) == ("passed", "a\n")


async def test_too_much_input_is_refused_before_anything_starts(sandbox: Any) -> None:
    with pytest.raises(ValueError, match="standard input of 4,194,305 bytes: at most 4,194,304 can be sent"):
        await sandbox.run_program("pass", stdin="x" * (MAX_INPUT_BYTES + 1))


async def test_names_of_the_prelude_are_there_where_they_are_mentioned(sandbox: Any) -> None:
    prelude = "from math import *\nfrom collections import *\nopen = None\n"
    code = "print(gcd(4, 6), Counter('aa')['a'], open is None, 'sqrt' in globals())"
    outcome = await sandbox.run_program(code, stdin="", prelude=prelude)
    assert (outcome.status, outcome.stdout) == ("passed", "2 2 False False\n")


async def test_time_spent_waiting_for_a_thread_is_limited(sandbox: Any) -> None:
    code = "import threading\nthreading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()"
    outcome = await sandbox.run_program(code, stdin="", limits=Limits(cpu_s=0.3))
    assert outcome.status == "timeout-cpu"
