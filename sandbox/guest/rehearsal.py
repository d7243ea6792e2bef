"""What a split check does, done a few times before the zygote is forked.

The interpreter adapts code to what it meets while it runs, and keeps caches; what it learned here no
child has to learn again, each time into pages of its own: a tenth of the pages and a fifth of the time.
"""

from __future__ import annotations

import linecache
import os
import socket
import sys
import threading

from . import asserts, checker, frames, solution

_TIMES = 20  # the interpreter adapts a function's code after eight calls
_SHARED = {"entry_point": "f", "prelude": "from math import sqrt\n", "mode": "auto", "tolerance": 0.0}
_CODE = "def f(x):\n    return [x, {x: (x, 'y')}]\n"
_TESTS = [
    "def check(f):\n    assert f(1) == [1, {1: (1, 'y')}]\nassert f(2)\nassert f([3])[0].count(3) == 1\n"
]


def rehearse() -> None:
    """Leaves nothing behind but what the interpreter learned."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    control = frames.Wire(nowhere)
    for _ in range(_TIMES):
        for_solution, for_checker = socket.socketpair()
        payload = {**_SHARED, "code": _CODE}
        half = threading.Thread(target=solution.run, args=(payload, control, for_solution.fileno()))
        half.start()
        checker.run({**_SHARED, "tests": _TESTS}, control, for_checker.fileno())
        for_checker.close()
        half.join()
        for_solution.close()
    os.close(nowhere)
    asserts.forget()
    linecache.cache.pop("solution.py", None)
    sys.modules.pop("solution", None)
