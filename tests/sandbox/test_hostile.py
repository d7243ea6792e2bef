"""Programs that attack the machine, the container or the runner: each ends, and leaves nothing."""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from sandbox import Limits, Outcome, Pool
from tests.sandbox.helpers import assert_healthy

pytestmark = pytest.mark.asyncio(loop_scope="session")

# name: (source, the endings that are right)
ENDINGS: dict[str, tuple[str, set[str]]] = {
    "fork bomb": ("import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
                  {"timeout-wall", "timeout-cpu"}),
    "thread bomb": ("import threading, time\nwhile True:\n"
        "    threading.Thread(target=time.sleep, args=(9,)).start()",
                    {"failed", "oom", "timeout-wall"}),
    "memory bomb": ("x = []\nwhile True:\n    x.append(bytearray(1 << 20))", {"oom"}),
    "memory bomb that catches": ("x = []\nwhile True:\n    try:\n        x.append(bytearray(1 << 20))\n"
                                 "    except MemoryError:\n        pass", {"timeout-cpu", "timeout-wall", "oom"}),
    "stdout flood": ("import os\nwhile True:\n    os.write(1, b'x' * 65536)", {"output-limit"}),
    "stderr flood": ("import os\nwhile True:\n    os.write(2, b'x' * 65536)", {"output-limit"}),
    "endless loop": ("while True:\n    pass", {"timeout-cpu"}),
    "endless sleep": ("import time\ntime.sleep(1000)", {"timeout-wall"}),
    "ignores every signal": ("import signal\nfor n in range(1, 65):\n    try:\n        signal.signal(n, signal.SIG_IGN)\n"
                             "    except (OSError, ValueError):\n        pass\nwhile True:\n    try:\n"
                             "        while True:\n            pass\n    except BaseException:\n        pass",
                             {"timeout-cpu"}),
    "segfault": ("import ctypes\nctypes.string_at(0)", {"failed"}),
    "abort": ("import os\nos.abort()", {"failed"}),
    "deep recursion": ("import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()", {"failed", "oom", "timeout-cpu"}),
    "closes everything": ("import os, time\nos.closerange(0, 256)\ntime.sleep(60)", {"failed"}),
    "thread left running": ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
                            {"passed"}),
    "atexit that hangs": ("import atexit, time\natexit.register(time.sleep, 60)", {"passed"}),
    "daemon": ("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
               "        os.closerange(0, 64)\n        time.sleep(60)\n    os._exit(0)", {"passed"}),
    "child holds stdout": ("import os, time\nif os.fork() == 0:\n    time.sleep(60)", {"passed"}),
    "frames on every descriptor": (
        "import json, os, time\nfor op in ('value', 'up', 'callback', 'verdict'):\n"
        "    data = json.dumps({'op': op, 'value': 1, 'call': 'x', 'method': [], 'args': 0}).encode()\n"
        "    for fd in range(3, 64):\n        try:\n            os.write(fd, len(data).to_bytes(4, 'big') + data)\n"
        "        except OSError:\n            pass\ntime.sleep(60)", {"passed", "failed"}),
    "a huge frame": ("import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'\\xff' * 64)\n"
                     "    except OSError:\n        pass", {"passed", "failed"}),
    "kills itself": ("import os\nos.kill(os.getpid(), 9)", {"failed"}),
    "deep directories": ("import os\nfor _ in range(2000):\n    os.mkdir('d')\n    os.chdir('d')", {"passed", "failed"}),
    "closed directories": ("import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').write('x')\nos.chmod('a/b', 0)\nos.chmod('a', 0)",
                           {"passed"}),
    "shared memory left": ("import ctypes\nctypes.CDLL(None).shmget(7, 4096, 0o1666)", {"passed"}),
    "files left everywhere": ("for d in ('/tmp', '/dev/shm'):\n    try:\n        open(d + '/left', 'w').write('x')\n"
                              "    except OSError:\n        pass", {"passed"}),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
async def test_it_ends_and_leaves_nothing(sandbox: Pool, quick: Limits, name: str) -> None:
    code, endings = ENDINGS[name]
    if "timeout-wall" not in endings:  # however slow the machine is just now, CPU decides
        quick = dataclasses.replace(quick, cpu_s=0.3, wall_s=20)
    outcome = await sandbox.run_program(code, limits=quick)
    assert outcome.status in endings, outcome
    assert outcome.usage.wall_ms < (quick.wall_s + 1.5) * 1000
    await assert_healthy(sandbox)


# name: a function that returns "refused" where the sandbox held, anything else where it did not
REFUSED = {
    "network": """
import socket
for address in (("1.1.1.1", 53), ("172.17.0.1", 80), ("169.254.169.254", 80)):
    s = socket.socket(); s.settimeout(1)
    try:
        s.connect(address)
        return address
    except OSError:
        pass
try:
    socket.getaddrinfo("example.org", 80)
    return "dns"
except OSError:
    return "refused"
""",
    "raw socket": """
import socket
try:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
except OSError:
    return "refused"
""",
    "environment": """
import os
allowed = {"PATH", "LANG", "HOME", "PYTHONHASHSEED", "MALLOC_ARENA_MAX", "TMPDIR", "HOSTNAME", "PWD", "LC_CTYPE"}
return "refused" if set(os.environ) <= allowed else dict(os.environ)
""",
    "runner's memory": """
import os
for name in ("mem", "environ", "fd", "maps"):
    for pid in (1, os.getppid()):
        path = f"/proc/{pid}/{name}"
        try:
            os.listdir(path) if name == "fd" else open(path, "rb").read(1)
            return path
        except OSError:
            pass
return "refused"
""",
    "root file system": """
for path in ("/usr/lib/x", "/x", "/etc/x", "/opt/flowreasoner/guest/x", "/proc/sys/kernel/core_pattern"):
    try:
        open(path, "w").write("x")
        return path
    except OSError:
        pass
return "refused"
""",
    "becoming root": """
import os
for become, value in ((os.setuid, 0), (os.setreuid, (0, 0)), (os.setgid, 0), (os.setgroups, ([0],))):
    try:
        become(*value) if isinstance(value, tuple) else become(value)
        return "root"
    except OSError:
        pass
return "refused" if os.getuid() != 0 else "root"
""",
    "namespaces and mounts": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for flag in (0x10000000, 0x00020000, 0x40000000, 0x20000000):
    if libc.unshare(flag) == 0:
        return hex(flag)
if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0:
    return "mount"
return "refused"
""",
    "kernel keys, bpf, perf": """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
calls = {"x86_64": (250, 321, 298), "aarch64": (219, 280, 241)}[platform.machine()]
for number in calls:
    if libc.syscall(number, 0, 0, 0, 0, 0) >= 0:
        return number
return "refused"
""",
    "the clock": """
import time
try:
    time.clock_settime(time.CLOCK_REALTIME, 0)
except OSError:
    return "refused"
""",
    "killing the runner": """
import os
for pid in (1, os.getppid(), -1):
    try:
        os.kill(pid, 9)
    except OSError:
        pass
return "refused"
""",
    "docker's socket": """
import os
found = [p for p in ("/var/run/docker.sock", "/run/docker.sock", "/root/.ssh", "/home") if os.path.exists(p)]
return "refused" if all(not os.path.isdir(p) or not os.listdir(p) for p in found) else found
""",
    "filling /tmp": """
with open("big", "wb") as f:
    try:
        for _ in range(200):
            f.write(bytes(1 << 20))
    except OSError:
        return "refused"
""",
    "filling shared memory": """
try:
    for n in range(30):
        with open(f"/dev/shm/{n}", "wb") as f:
            f.write(bytes(1 << 20))
except OSError:
    return "refused"
""",
    "kernel files": """
for path in ("/proc/kcore", "/proc/sysrq-trigger", "/proc/kmsg", "/sys/kernel/uevent_helper"):
    try:
        open(path, "r+b").read(1)
        return path
    except OSError:
        pass
return "refused"
""",
    "another request's files": """
import os
seen = [n for n in os.listdir("/tmp") if os.path.join("/tmp", n) != os.getcwd()]
return "refused" if not seen else seen
""",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_it_is_refused(sandbox: Pool, name: str) -> None:
    body = "".join(f"    {line}\n" for line in REFUSED[name].strip().splitlines())
    outcome = await sandbox.run_program(f"def f():\n{body}", entry="f", limits=Limits(wall_s=8, cpu_s=4))
    assert outcome.value == "refused", outcome
    await assert_healthy(sandbox)


async def test_output_is_kept_from_the_start_and_decoded(sandbox: Pool) -> None:
    code = "import os\nos.write(1, b'head\\xff\\x00\\x1b[31m' + b'x' * 1_000_000)"
    outcome: Outcome = await sandbox.run_program(code, limits=Limits(output_kept=1000))
    assert outcome.status == "passed"
    assert outcome.stdout.startswith("head�\0\x1b[31mx")
    assert len(outcome.stdout) == 1000
    assert outcome.usage.output_bytes == 1_000_000 + 11


async def test_nothing_passes_from_one_request_to_the_next(sandbox: Pool) -> None:
    leave = (
        "import os, sys, random, json\nos.environ['X'] = '1'\nos.umask(0)\njson.left = 1\nrandom.seed(1)\n"
    )
    await sandbox.run_program(leave)
    look = (
        "import os, json\ndef f():\n"
        "    return 'X' in os.environ, os.umask(0o77) == 0o77, hasattr(json, 'left')"
    )
    outcome = await sandbox.run_program(look, entry="f")
    assert outcome.value == (False, True, False)


async def test_a_hostile_solution_does_not_disturb_its_neighbours(sandbox: Pool, quick: Limits) -> None:
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    good = "def f():\n    return 1"
    results = await asyncio.gather(
        sandbox.run_program(bomb, limits=quick),
        *(sandbox.run_program(good, entry="f") for _ in range(4)),
    )
    assert [outcome.value for outcome in results[1:]] == [1] * 4
    await assert_healthy(sandbox)
