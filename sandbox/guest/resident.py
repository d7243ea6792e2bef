"""Role `resident`: a checker that stays, for tests that can leave nothing behind.

A fork with its copied pages is most of what a checker costs. Most tests only compute (`purity` says which):
those are judged here, one check after the other, in a process like any checker's but for its lifetime. Others
are handed back, and get a process of their own, as does every mode but "split". It never has a solution's
code, and no check's tests, values or descriptors outlast the check.

Orders come over its control line: one byte, with the check's own control line and its line to the solution.
"""

from __future__ import annotations

import ast
import os
import socket
import sys
from typing import Any

from . import asserts, checker, frames, judge, line, purity, pytests
from .process import receive_fds

_SEEDING = {"seed", "setstate"}  # words for which a checker watches over `random`
_GONE = -1


def run(payload: dict[str, Any], control: frames.Wire) -> None:
    """Serve until the runner closes the line."""
    home = os.getcwd()
    os.chdir("/")
    os.rmdir(home)
    orders = socket.socket(fileno=control.fd)
    while True:
        data, fds = receive_fds(orders)
        if not data:
            return
        told, solution = frames.Wire(fds[0]), frames.Wire(fds[1], line.CAPS)
        try:
            _check(told, solution)
        finally:
            told.fd = solution.fd = _GONE  # whatever still holds one must not reach the next check's
            sys.modules.pop("solution", None)
            asserts.forget()
            for fd in fds:
                os.close(fd)


def _check(control: frames.Wire, solution: frames.Wire) -> None:
    control.send({"op": "up"})
    payload = control.receive()
    looked = _looked(payload)
    if looked is None:
        control.send({"op": "apart"})
    else:
        checker.judge_as(looked, control, solution)


def _looked(payload: dict[str, Any]) -> checker.Looked | None:
    """None where these tests, or their prelude, may leave something, or are not for "split"."""
    tests = [judge.parse(source) for source in payload["tests"]]
    trees = [tree for tree in tests if isinstance(tree, ast.Module)]
    if not purity.pure([*trees, *_prelude(payload["prelude"])]) or any(map(pytests.wanted, trees)):
        return None
    looked = checker.look(payload, tests)
    alone = looked.mode != "split" or looked.form.mode == "in-process" or looked.form.words & _SEEDING
    return None if alone else looked


def _prelude(source: str) -> list[ast.AST]:
    try:
        return [ast.parse(source)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # it will not run either
