"""Keeping a process to itself among neighbours: it writes in its own directory only, and opens no socket.

Both last for good and for all that it forks or executes. Landlock also keeps it from changing how likely the
kernel is to end it for memory (`/proc/self/oom_score_adj`), with which it could have others end in its place.
Where the kernel has no Landlock, what is left is that each user may only touch what is its own.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every machine
_PATH_BENEATH = 1
_VERSION = 1  # asked for in place of a ruleset
_WRITE_FILE = 1 << 1
_CHANGES = sum(1 << bit for bit in range(4, 13)) | _WRITE_FILE  # make, remove, write
_MOVE, _TRUNCATE = 1 << 13, 1 << 14  # since versions 2 and 3
_SCOPED = 3  # abstract Unix sockets and signals, since version 6
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")

# Each pipe and pair of sockets can hold half a megabyte that is seen in no process.
_OPEN_FILES = 40
_NICENESS = 10
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
# `socket`, with which two could talk; `setsockopt`, with which a pair of sockets could hold twice as much.
_REFUSED = {"x86_64": (41, 54), "aarch64": (198, 208)}


def _landlock() -> int:
    """The version of Landlock that this kernel has; 0 or less where it has none."""
    return _libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)


def _filter() -> ctypes.Array[ctypes.c_char] | None:
    """A program that refuses some calls, as `seccomp` has them (its own list is in force already)."""
    numbers = _REFUSED.get(os.uname().machine)
    if numbers is None:
        return None
    steps = [(0x20, 0, 0, 0)]
    steps += [(0x15, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    steps += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x0005000D)]
    return ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))


# Found out once, in the zygote.
_version = _landlock()
_program = _filter()
_header = (
    None if _program is None else struct.pack("HxxxxxxQ", len(_program) // 8, ctypes.addressof(_program))
)


def to_itself(home: str) -> None:
    """From now on this process writes nowhere but in `home`, opens no socket, and few files at once.

    The runner and the zygote come first where there is a core to be had. Raises OSError.
    """
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    if _version > 0:
        _write_only_in(home)
    if _header is not None and _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, _header, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


def _write_only_in(home: str) -> None:
    handled = _CHANGES | (_MOVE if _version >= 2 else 0) | (_TRUNCATE if _version >= 3 else 0)
    attributes = struct.pack("QQQ", handled, 0, _SCOPED if _version >= 6 else 0)
    size = 24 if _version >= 6 else 8
    ruleset = _checked(_libc.syscall(_CREATE, attributes, ctypes.c_size_t(size), 0))
    try:
        for path in (home, *_DEVICES):
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = handled if path == home else _WRITE_FILE
            rule = struct.pack("<Qi", allowed, fd)
            _checked(_libc.syscall(_ADD, ruleset, _PATH_BENEATH, rule, 0))
            os.close(fd)
        _checked(_libc.syscall(_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    return result
