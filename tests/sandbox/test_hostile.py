"""Programs that attack the machine, the container or the runner: each ends, and leaves nothing."""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

import asyncio
import dataclasses
import math

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
                            {"timeout-wall"}),  # as an interpreter does, a whole program waits for its threads
    "atexit that hangs": ("import atexit, time\natexit.register(time.sleep, 60)", {"timeout-wall"}),
    "daemon": ("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
               "        os.closerange(0, 64)\n        time.sleep(60)\n    os._exit(0)", {"passed"}),
    "child holds stdout": ("import os, time\nif os.fork() == 0:\n    time.sleep(60)", {"passed"}),
    "frames on every descriptor": (
        "import json, os, time\nfor op in ('value', 'up', 'callback', 'verdict'):\n"
        "    data = json.dumps({'op': op, 'value': 1, 'call': 'x', 'method': [], 'args': 0}).encode()\n"
        "    for fd in range(3, 64):\n        try:\n            os.write(fd, len(data).to_bytes(4, 'big') + bytes(4) + data)\n"
        "        except OSError:\n            pass\ntime.sleep(60)", {"passed", "failed"}),
    "a huge frame": ("import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'\\xff' * 64)\n"
                     "    except OSError:\n        pass", {"passed", "failed"}),
    "kills itself": ("import os\nos.kill(os.getpid(), 9)", {"failed"}),
    "deep directories": ("import os\nfor _ in range(2000):\n    os.mkdir('d')\n    os.chdir('d')", {"passed", "failed"}),
    "closed directories": ("import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').write('x')\nos.chmod('a/b', 0)\nos.chmod('a', 0)",
                           {"passed"}),
    "shared memory left": ("import ctypes\nctypes.CDLL(None).shmget(7, 4096, 0o1666)", {"passed"}),
    "illegal instruction": ("import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(b'\\x0f\\x0b' * 8 + bytes(64))\n"
                            "ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()", {"failed"}),
    "clocks replaced": ("import time\ntime.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0\n"
                        "time.sleep = lambda s: None\nwhile True:\n    pass", {"timeout-cpu"}),
    "limits given back": ("import resource\nfor n in range(16):\n    try:\n        soft, hard = resource.getrlimit(n)\n"
                          "        resource.setrlimit(n, (hard, hard))\n        resource.setrlimit(n, (-1, -1))\n"
                          "    except (OSError, ValueError):\n        pass\nwhile True:\n    pass", {"timeout-cpu"}),
    "niceness and affinity": ("import os\nfor n in (-20, 19):\n    try:\n        os.nice(n)\n    except OSError:\n        pass\n"
                              "try:\n    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))\nexcept OSError:\n    pass\n"
                              "while True:\n    pass", {"timeout-cpu"}),
    "semaphores and queues left": ("import ctypes\nlibc = ctypes.CDLL(None)\nfor n in range(1, 9):\n    libc.semget(n, 4, 0o1666)\n"
                                   "    libc.msgget(n, 0o1666)\n    libc.shmget(n, 1 << 20, 0o1666)", {"passed"}),
    "memory in files without names": ("import os\nkept = []\nwhile True:\n    fd = os.memfd_create('x')\n    kept.append(fd)\n"
                                      "    for _ in range(30):\n        os.write(fd, bytes(1 << 20))", {"failed", "oom", "timeout-cpu"}),
    "a signal to come later": ("import os, signal\nfor pid in range(2, 400):\n    try:\n        os.kill(pid, signal.SIGSTOP)\n"
                               "    except OSError:\n        pass", {"passed", "timeout-wall", "timeout-cpu"}),
    "children that stop": ("import os, signal\nfor _ in range(8):\n    if os.fork() == 0:\n        os.setsid()\n"
                           "        os.kill(os.getpid(), signal.SIGSTOP)", {"passed"}),
    "children that change their name": ("import ctypes, os, time\nfor _ in range(4):\n    if os.fork() == 0:\n"
                                        "        ctypes.CDLL(None).prctl(15, b'runner 0')\n        ctypes.CDLL(None).prctl(4, 0)\n"
                                        "        time.sleep(60)", {"passed"}),
    "a core dump": ("import os, resource\ntry:\n    resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))\nexcept (OSError, ValueError):\n"
                    "    pass\nos.abort()", {"failed"}),
    "names nobody can say": ("import os\nfor name in (b'a\\nb', b'\\xff\\xfe', b'-rf *', b' ', b'x' * 255, b'\\x1b[2J'):\n"
                             "    os.mkdir(name)\n    open(name + b'/' + name, 'w').close()", {"passed"}),
    "links in place of the directory": ("import os\nhere = os.getcwd()\nos.mkdir('/tmp/other') if os.access('/tmp', os.W_OK) else None\n"
                                        "os.rename(here, '/tmp/moved')\nos.symlink('/usr', here)", {"passed", "failed"}),
    "files nobody may remove": ("import os\nos.makedirs('a/b/c')\nopen('a/b/c/d', 'w').close()\nos.symlink('/', 'a/b/root')\n"
                                "for d in ('a/b/c', 'a/b', 'a', '.'):\n    os.chmod(d, 0o000)", {"passed"}),
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
    # The kernel's own limit on a process is in whole seconds, and a second more. Wall time is no measure here:
    # how it is counted is tested with a clock of the test's own.
    assert outcome.usage.cpu_ms <= (math.ceil(quick.cpu_s) + 1) * 1000 + 50
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
    "all inodes": """
import os
try:
    for n in range(70_000):
        os.mknod(str(n))
except OSError as error:
    return "refused"
""",
    "programs that become root": """
import os, stat
for top in ("/usr", "/bin", "/sbin", "/opt"):
    for folder, _, names in os.walk(top):
        for name in names:
            try:
                mode = os.lstat(os.path.join(folder, name)).st_mode
            except OSError:
                continue
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                status = open("/proc/self/status").read()
                if "NoNewPrivs:\\t1" not in status:
                    return name
return "refused"
""",
    "capabilities": """
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
held = [name for name in ("CapEff", "CapPrm", "CapAmb") if int(status[name], 16)]
return held if held else "refused" if status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" else status
""",
    "devices": """
import os, stat
for name in os.listdir("/dev"):
    mode = os.stat(f"/dev/{name}").st_mode if os.path.exists(f"/dev/{name}") else 0
    if stat.S_ISBLK(mode) or name in ("mem", "kmem", "kvm", "fuse", "loop-control", "net"):
        return name
for kind in (stat.S_IFBLK, stat.S_IFCHR):
    try:
        os.mknod("device", kind | 0o666, os.makedev(1, 1))
        return "mknod"
    except OSError:
        pass
return "refused"
""",
    "the host's cgroups": """
import os
for folder, _, names in os.walk("/sys/fs/cgroup"):
    for name in ("cgroup.procs", "release_agent", "memory.max", "memory.limit_in_bytes"):
        try:
            open(os.path.join(folder, name), "r+b").close()
            return folder
        except OSError:
            pass
return "refused"
""",
    "other processes' limits": """
import os, resource
for pid in (1, os.getppid()):
    try:
        resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))
        return pid
    except OSError:
        pass
return "refused"
""",
    "sockets of this machine": """
import os, socket
for line in open("/proc/net/unix").read().splitlines()[1:]:
    path = line.split()[7:]
    if path and not path[0].startswith("/tmp"):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path[0].replace("@", "\\0", 1))
            return path[0]
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


async def test_a_hostile_solution_does_not_disturb_its_neighbours(sandbox: Pool) -> None:
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    good = "def f():\n    return 1"
    results = await asyncio.gather(
        sandbox.run_program(bomb, limits=Limits(wall_s=1.0, cpu_s=0.3, processes=24)),
        *(sandbox.run_program(good, entry="f") for _ in range(4)),
    )
    assert [outcome.value for outcome in results[1:]] == [1] * 4
    await assert_healthy(sandbox)
