"""System calls that nobody gets, tried by their numbers on both backends."""

from __future__ import annotations

import platform

import pytest

from sandbox import Limits, Pool

pytestmark = pytest.mark.asyncio(loop_scope="session")

# On x86-64: name, number, first argument where it decides.
_REFUSED = """
io_uring_setup 425 0, io_setup 206 0, memfd_create 319 0, memfd_secret 447 0, shmget 29 0, vmsplice 278 0,
ptrace 101 0, process_vm_readv 310 0, process_vm_writev 311 0, process_madvise 440 0, pidfd_getfd 438 0,
kcmp 312 0, msgget 68 0, semget 64 0, mq_open 240 0, userfaultfd 323 0, keyctl 250 0, bpf 321 0, mbind 237 0,
fanotify_init 300 0, name_to_handle_at 303 0, perf_event_open 298 0, unshare 272 268435456, setns 308 0,
mount 165 0, pivot_root 155 0, chroot 161 0, clone3 435 0, clone 56 268435456, personality 135 262144,
socket(AF_VSOCK) 41 40, socket(AF_NETLINK) 41 16, socket(AF_ALG) 41 38, cachestat 451 0, mseal 462 0
"""
_REFUSALS = (1, 38)  # EPERM of daemons that know no other default, ENOSYS
_CODE = """
import ctypes

def f(calls):
    libc = ctypes.CDLL(None, use_errno=True)
    found = []
    for name, number, argument in calls:
        ctypes.set_errno(0)
        libc.syscall(number, ctypes.c_ulong(argument), 0, 0, 0, 0, 0)
        found.append((name, ctypes.get_errno()))
    return found
"""


async def test_they_are_refused(sandbox: Pool) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("the numbers are those of x86-64")
    rows = [cell.split() for cell in _REFUSED.split(",")]
    calls = [(name, int(number), int(argument)) for name, number, argument in rows]
    code = f"{_CODE}\ndef g():\n    return f({calls!r})\n"
    outcome = await sandbox.run_program(code, entry="g", limits=Limits(cpu_s=5.0))
    assert outcome.status == "passed", outcome
    assert len(outcome.value) == len(calls)
    assert [(name, error) for name, error in outcome.value if error not in _REFUSALS] == []
