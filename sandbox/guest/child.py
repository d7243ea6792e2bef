"""A request's process, from the fork to its role: own uid, own directory, own limits, own streams."""

from __future__ import annotations

import _random
import _signal  # type: ignore  # not `signal`, whose enums alone make a child copy forty pages
import ast
import builtins
import contextlib
import io
import linecache
import os
import random
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from . import asserts, confine, files, forms, frames, graph, linux, places

SETUP_FAILED = 70
_UP = frames.pack({"op": "up"})


def main(role: Callable[..., None], order: dict[str, Any], fds: list[int], own_uids: bool) -> NoReturn:
    """Run `role` as `order` says and end.

    `fds` are control, stdout, stderr and, for the split roles, their line to each other.
    """
    try:
        lines = _set_up(order, fds, own_uids)
        os.write(lines[0], _UP)
        control = frames.Wire(lines[0])
        payload = control.receive()
        files.place(payload.get("files", {}))
    except BaseException:  # before any code of the request ran: our failure, told by the exit status
        os._exit(SETUP_FAILED)
    try:
        role(payload, control, *lines[1:])
    except BaseException:  # the role's own last words go to the captured stderr
        traceback.print_exc()
    finally:
        flush()
        os._exit(0)


def once() -> None:
    """In the zygote: what children inherit, so that none has to do it."""
    os.umask(0o077)
    linux.limit_all()
    _open_streams()


def detach() -> None:
    """First thing after the fork: a session of its own, and signals and chance as in a new process."""
    os.setsid()
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    with contextlib.suppress(OSError):  # under memory pressure the kernel takes this process, not the runner
        linux.write("/proc/self/oom_score_adj", b"1000")
    _random.Random.seed(random._inst)  # type: ignore[attr-defined]  # as `os.fork` would have it done


def warm(role: str) -> None:
    """Ahead of a request, while nobody waits: use once what `role` will, so that its pages are this
    process's own. That is most of what a child costs, since each page of the zygote that is first
    written to has to be copied."""
    scope: dict[str, Any] = {}
    source = "def f(x):\n    return [x, {x: (x,)}]\n"
    if role == "checker":
        tree = ast.parse("assert f(1) == 1")
        forms.look([tree], scope, "f")
        compile(asserts.rewrite(tree), "warm.py", "exec", dont_inherit=True)
    exec(compile(source, "warm.py", "exec", dont_inherit=True), scope)
    message = graph.Graph(1).write(None, scope["f"](1))
    graph.Graph(-1).read(frames.parse(frames.encode(message).encode()))


def _set_up(order: dict[str, Any], fds: list[int], own_uids: bool) -> list[int]:
    control, out, err, *data = fds
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    limits = order["limits"]
    uid = int(order["uid"])
    if own_uids:
        os.setresgid(uid, uid, uid)
    linux.limit_process(
        cpu_s=limits["cpu_s"],
        memory_mb=limits["memory_mb"],
        processes=limits["processes"] + (0 if places.confined else linux.threads_of(os.getuid())),
        file_mb=limits["file_mb"],
    )
    if own_uids:
        os.setresuid(uid, uid, uid)
    linux.stay_hidden()
    home = order["home"]
    os.mkdir(home, 0o700)
    os.chdir(home)
    os.environ["HOME"] = os.environ["TMPDIR"] = home
    if order["role"] == "call" and own_uids:  # it has neighbours
        confine.to_itself(home)
    return [control, *data]


def _open_streams() -> None:
    """Text streams over the captured pipes; a stray surrogate must not turn output into an error."""
    sys.stdin = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    for fd, name in ((1, "stdout"), (2, "stderr")):
        raw = open(fd, "wb", buffering=8192, closefd=False)  # noqa: SIM115
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def linger(control: frames.Wire) -> None:
    """After the answer, wait to be killed: the runner reads what this process used before it does."""
    os.set_blocking(control.fd, True)
    while os.read(control.fd, 1 << 16):
        continue


def flush() -> None:
    """Push out what the program printed; its streams may be anything by now."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # the program may have replaced or closed it
            continue


def load(code: str, name: str, filename: str, provided: Mapping[str, Any] | None = None) -> types.ModuleType:
    """Execute `code` as the module `name`. Whatever it raises comes through.

    Of the names in `provided`, the module starts with those that its code mentions.
    """
    code = code.removeprefix("\ufeff")  # a byte order mark, as editors leave it
    module = types.ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = module
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    # `dont_inherit`: this file's own __future__ imports must not reach the program.
    compiled = compile(code, filename, "exec", dont_inherit=True)
    if provided:
        mentioned = _mentioned(compiled)
        module.__dict__.update({n: v for n, v in provided.items() if n in mentioned})
    exec(compiled, module.__dict__)
    return module


def _mentioned(code: types.CodeType) -> set[str]:
    """The names that code takes from its module, in its functions too. Not those of builtins."""
    names, left = set(), [code]
    while left:
        part = left.pop()
        names.update(part.co_names)
        left += [constant for constant in part.co_consts if isinstance(constant, types.CodeType)]
    return names - vars(builtins).keys()


def describe(error: BaseException) -> str:
    """`TypeName: message` of an exception whose own `__str__` may be hostile."""
    try:
        text = str.__str__(str(error))
    except BaseException:  # a __str__ of the program's
        text = "(its message could not be read)"
    name = type(error).__name__[:200]
    return f"{name}: {text[:2000]}" if text else name


def print_traceback(error: BaseException) -> None:
    """The traceback on the captured stderr, without this package's own frames."""
    package = os.path.dirname(__file__)
    with contextlib.suppress(BaseException):  # formatting reads attributes the program may have set
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(package):
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace, limit=-40)
