"""Role `resident`: a checker that stays, for tests that can leave nothing behind.

A fork with its copied pages is most of what a checker costs. Most tests only compute (`purity` says which):
those are run here, one check after the other, in a process like any checker's but for its lifetime. Others
are handed back, and get a process of their own. It never has a solution's code, and no check's tests, values
or descriptors outlast the check.

Orders come over its control line: one byte, with the check's own control line and its line to the solution.
"""

from __future__ import annotations

import ast
import os
import socket
from typing import Any

from . import asserts, checker, frames, judge, places, purity
from .process import receive_fds


def run(payload: dict[str, Any], control: frames.Wire) -> None:
    """Serve until the runner closes the line."""
    os.chdir("/")
    os.rmdir(places.home(os.getuid()))
    orders = socket.socket(fileno=control.fd)
    while True:
        data, fds = receive_fds(orders)
        if not data:
            return
        try:
            _check(frames.Wire(fds[0]), fds[1])
        finally:
            for fd in fds:
                os.close(fd)


def _check(line: frames.Wire, data: int) -> None:
    line.send({"op": "up"})
    payload = line.receive()
    trees = [*map(judge.parse, payload["tests"]), _prelude(payload["prelude"])]
    if not purity.pure(tree for tree in trees if isinstance(tree, ast.AST)):
        line.send({"op": "apart"})
        return
    checker.run(payload, line, data)
    asserts.forget()


def _prelude(source: str) -> ast.AST | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # it will not run either
