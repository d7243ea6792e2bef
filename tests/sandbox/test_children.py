"""What a program finds itself to be, although it was forked from a process that served others."""

from __future__ import annotations

import pytest

from sandbox import Limits, Pool

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHANCE = """
def f():
    import random, uuid, tempfile
    return [random.random(), random.Random().random(), str(uuid.uuid4()), tempfile.mktemp()]
"""
SELF = """
def f():
    import os, resource, signal, threading
    seen = []
    thread = threading.Thread(target=lambda: seen.append(threading.current_thread() is thread))
    thread.start()
    thread.join()
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    return {
        "thread": seen,
        "main": threading.current_thread() is threading.main_thread(),
        "alone": threading.active_count(),
        "fork": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]),
        "leader": os.getsid(0) == os.getpid() == os.getpgid(0),
        "groups": os.getgroups(),
        "mask": os.umask(0),
        "home": os.environ["HOME"] == os.environ["TMPDIR"] == os.getcwd(),
        "children": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "cpu": resource.getrlimit(resource.RLIMIT_CPU),
        "memory": resource.getrlimit(resource.RLIMIT_AS),
    }
"""


async def test_chance_is_each_programs_own(sandbox: Pool) -> None:
    outcomes = [await sandbox.run_program(CHANCE, entry="f") for _ in range(4)]
    for values in zip(*(outcome.value for outcome in outcomes), strict=True):
        assert len(set(values)) == len(outcomes)


async def test_a_program_is_as_if_started_afresh(sandbox: Pool) -> None:
    for _ in range(3):  # some are forked ahead, some when they are asked for
        outcome = await sandbox.run_program(SELF, entry="f", limits=Limits(cpu_s=3.0, memory_mb=256))
        assert outcome.status == "passed", outcome
        found = outcome.value
        assert found.pop("groups") in ([], [65534]) or not sandbox.hosts[0].backend.own_uids
        assert found == {
            "thread": [True],
            "main": True,
            "alone": 1,
            "fork": 7,
            "leader": True,
            "mask": 0o077,
            "home": True,
            "children": True,
            "files": (256, 256),
            "core": (0, 0),
            "cpu": (3, 4),
            "memory": (256 << 20, 256 << 20),
        }


async def test_requests_of_every_kind_follow_each_other(sandbox: Pool) -> None:
    for _ in range(3):
        verdict = await sandbox.check("def f():\n    return 1\n", ["assert f() == 1"], entry_point="f")
        assert (verdict.status, verdict.mode) == ("passed", "split")
        verdict = await sandbox.check(
            "def f():\n    return 1\n", ["assert f() == 1"], entry_point="f", mode="in-process"
        )
        assert (verdict.status, verdict.mode) == ("passed", "in-process")
        assert (await sandbox.run_program("def f():\n    return 2\n", entry="f")).value == 2
        async with sandbox.session() as session:
            outcome = await session.call("steps:echo", {"n": 3}, callback=_none, limits=Limits())
            assert outcome.value == {"n": 3}


async def _none(method: str, arguments: dict[str, object]) -> None:
    raise AssertionError(method)
