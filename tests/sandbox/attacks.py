"""What a session could try against those it shares a container with; each ends by waiting for the host."""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

_HEAD = """
import asyncio, ctypes, ctypes.util, errno, json, mmap, os, resource, select, signal, socket, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)

def quietly(what, *args):
    try:
        return what(*args)
    except (OSError, ValueError, MemoryError, OverflowError, RuntimeError):
        return None

def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]

def swarm(what, count=40):
    for _ in range(count):
        if quietly(os.fork) == 0:
            quietly(what)
            while True:
                time.sleep(1)

def folders():
    seats = [f"/mnt/{n}" for n in range(32)]
    return [os.getcwd(), "/tmp", "/dev/shm", "/dev/mqueue", "/run", "/var/tmp", "/mnt", *seats]

def raw(host, *frames, body=b""):
    fd = host._sock.fileno()
    os.set_blocking(fd, True)
    for head in frames:
        data = head if isinstance(head, bytes) else json.dumps(head).encode()
        os.write(fd, struct.pack(">II", len(data), len(body)) + data + body)

def unprotected():
    libc.prctl(4, 1, 0, 0, 0)
    for value in ("0", "-1000", "-17"):
        quietly(lambda: open("/proc/self/oom_score_adj", "w").write(value))

def fill_memory(megabytes):
    kept = []
    for _ in range(megabytes):
        kept.append(bytearray(os.urandom(1 << 20)))
    return kept

def keep(what):
    KEPT.append(what)
    return what

KEPT = []
"""

# name: the body of `async def attack(host)`; `go` has been called by the host before, `stay` waits for it.
ATTACKS: dict[str, str] = {
    "nothing": "pass",
    "memory in files, unprotected": """
unprotected()
def fill():
    fd = os.memfd_create("x")
    while True:
        os.write(fd, bytes(1 << 20))
quietly(fill)
swarm(lambda: [unprotected(), fill()], 8)
""",
    "memory held after exec, unprotected": """
code = ("import ctypes, time\\nctypes.CDLL(None).prctl(4, 1)\\ntry:\\n    open('/proc/self/oom_score_adj', 'w').write('0')\\n"
        "except OSError:\\n    pass\\nkept = [bytearray(1 << 20) for _ in range(150)]\\ntime.sleep(60)")
for _ in range(6):
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-I", "-c", code])
""",
    "a little memory in many processes": "swarm(lambda: keep(fill_memory(14)))",
    "all memory in one process": "quietly(lambda: keep(fill_memory(500)))",
    "memory in pipes": """
def fill():
    for _ in range(100):
        r, w = os.pipe()
        import fcntl
        quietly(fcntl.fcntl, w, 1031, 1 << 20)
        os.set_blocking(w, False)
        while quietly(os.write, w, bytes(1 << 16)):
            pass
swarm(fill)
""",
    "memory in sockets": """
def fill():
    for _ in range(120):
        a, b = socket.socketpair()
        keep((a, b))
        a.setblocking(False)
        quietly(a.setsockopt, socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
        while quietly(a.send, bytes(1 << 15)):
            pass
swarm(fill)
""",
    "memory in sockets of every kind": """
def fill():
    for n in range(60):
        kind = (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_STREAM)[n % 3]
        for end in keep(socket.socketpair(socket.AF_UNIX, kind)):
            end.setblocking(False)
            for size in (1 << 16, 1 << 12, 1):
                while quietly(end.send, bytes(size)):
                    pass
swarm(fill)
""",
    "sockets hidden in sockets": """
import array
def fill():
    a, b = keep(socket.socketpair())
    for _ in range(200):
        c, d = socket.socketpair()
        for end in (c, d):
            end.setblocking(False)
            while quietly(end.send, bytes(1 << 15)):
                pass
        quietly(a.sendmsg, [b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [c.fileno(), d.fileno()]))])
        c.close(), d.close()
swarm(fill)
""",
    "page tables": """
def fill():
    room = keep(mmap.mmap(-1, 300 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000))
    for at in range(0, 300 << 20, 1 << 21):
        room[at] = 1
swarm(fill)
""",
    "mappings without end": """
libc.mmap.restype = ctypes.c_void_p
def fill():
    while True:
        if libc.mmap(None, 4096, 1 + 2 * (len(KEPT) % 2), 0x22, -1, 0) in (None, ctypes.c_void_p(-1).value):
            break
        keep(None)
swarm(fill)
""",
    "locks without end": """
import fcntl
def fill():
    with open(f"lock{os.getpid()}", "wb") as file:
        for at in range(0, 4_000_000, 2):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
swarm(fill, 20)
""",
    "signals that wait": """
signal.pthread_sigmask(signal.SIG_BLOCK, range(34, 65))
def fill():
    value = ctypes.c_void_p(0)
    while libc.sigqueue(os.getpid(), 40, value) == 0:
        pass
    for n in range(5000):
        libc.timer_create(0, None, ctypes.byref(ctypes.c_void_p()))
swarm(fill)
""",
    "names that are not there": """
for n in range(400_000):
    libc.access(b"%s/%d" % (b"x" * 200, n), 0)
""",
    "memory shared by a crowd": """
room = keep(mmap.mmap(-1, 250 << 20))
def fill():
    for at in range(0, 250 << 20, 4096):
        room[at] = 1
swarm(fill, 20)
""",
    "memory given up and taken back": """
def fill():
    while True:
        kept = fill_memory(12)
        del kept
swarm(fill, 40)
""",
    "programs that start each other": """
for _ in range(6):
    if os.fork() == 0:
        os.execv("/bin/sh", ["sh", "-c", "while :; do /bin/true & /bin/true; done"])
""",
    "files taken and thrown away": """
def churn():
    while True:
        with open(f"x{os.getpid()}", "wb") as file:
            quietly(file.write, bytes(1 << 20))
        os.unlink(file.name)
swarm(churn, 10)
""",
    "names of the runner's own": """
libc.prctl(15, b"runner 0")
for text in (b"FRAMES", b"\\0\\0\\0\\2\\0\\0\\0\\0{}"):
    for pid in [1, os.getppid()]:
        for n in range(6):
            quietly(lambda: os.write(os.open(f"/proc/{pid}/fd/{n}", os.O_WRONLY), text))
quietly(os.kill, 1, signal.SIGHUP), quietly(os.kill, -1, signal.SIGSTOP)
""",
    "System V memory": """
for n in range(64):
    if (ident := libc.shmget(n + 1, 8 << 20, 0o1666)) >= 0:
        libc.shmat.restype = ctypes.c_void_p
        libc.shmat(ident, None, 0)
    libc.semget(n + 1, 8, 0o1666), libc.msgget(n + 1, 0o1666)
""",
    "links where others will live": """
uid = os.getuid()
for folder in folders():
    for n in range(1, 400):
        quietly(os.symlink, "/usr", f"{folder}/r{uid + n}")
        quietly(os.mkdir, f"{folder}/h{uid + n}")
""",
    "all inodes": """
for folder in folders():
    for n in range(5000):
        if quietly(os.mknod, f"{folder}/{n}") is None and not os.path.exists(f"{folder}/{n}"):
            break
""",
    "all space": """
for folder in folders():
    for n in range(70):
        quietly(lambda: open(f"{folder}/big{n}", "wb").write(bytes(1 << 20)))
""",
    "its own directory away": """
here = os.getcwd()
quietly(os.rename, here, here + "x"), quietly(os.symlink, "/usr", here), quietly(os.chmod, here, 0)
""",
    "directories without end": """
for _ in range(3000):
    if quietly(os.mkdir, "d") is None and quietly(os.chdir, "d") is None and not os.path.isdir("."):
        break
    quietly(os.chdir, "d")
""",
    "abstract sockets": """
for n in range(200):
    s = quietly(socket.socket, socket.AF_UNIX)
    if s is not None:
        raise AssertionError("a socket")
for pair in range(50):
    keep(socket.socketpair())
""",
    "sockets of every family": """
for family in range(1, 46):
    for kind in (1, 2, 3, 5):
        if quietly(socket.socket, family, kind) is not None:
            raise AssertionError(f"family {family}")
""",
    "spinning processes": """
def spin():
    while True:
        pass
swarm(spin, 20)
""",
    "processes that replace each other": """
if os.fork() == 0:
    while True:
        pid = quietly(os.fork)
        if pid:
            os._exit(0)
        if pid is None:
            time.sleep(0.01)
""",
    "dead processes for PID 1": """
for _ in range(300):
    pid = quietly(os.fork)
    if pid == 0:
        quietly(os.fork)
        os._exit(0)
    if pid:
        os.waitpid(pid, 0)
""",
    "threads": """
for _ in range(200):
    if quietly(threading.Thread(target=time.sleep, args=(60,), daemon=True).start) is None:
        continue
""",
    "signals to everyone": """
for pid in [*pids(), 1, os.getppid()]:
    for number in (signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM, signal.SIGCHLD):
        quietly(os.kill, pid, number)
        quietly(lambda: signal.pidfd_send_signal(os.pidfd_open(pid), number))
for group in range(1, 400):
    if group != os.getpgrp():
        quietly(os.killpg, group, signal.SIGSTOP)
""",
    "limits and turns of others": """
for pid in [*pids(), 1]:
    for what in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_NOFILE):
        quietly(resource.prlimit, pid, what, (1, 1))
    quietly(os.sched_setaffinity, pid, {0}), quietly(os.setpriority, os.PRIO_PROCESS, pid, 19)
    quietly(os.sched_setscheduler, pid, os.SCHED_IDLE, os.sched_param(0))
quietly(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(99)), quietly(os.nice, -20)
""",
    "memory and descriptors of others": """
for pid in [*pids(), 1]:
    libc.ptrace(16, pid, 0, 0), libc.ptrace(0x4206, pid, 0, 0)
    for path in ("mem", "fd", "environ", "maps", "cwd", "root", "oom_score_adj", "clear_refs", "comm"):
        quietly(lambda: open(f"/proc/{pid}/{path}", "r+b").write(b"0"))
    fd = quietly(os.pidfd_open, pid)
    if fd is not None:
        for n in range(20):
            if libc.syscall(438, fd, n, 0) >= 0:
                raise AssertionError("a descriptor")
""",
    "files of the kernel": """
for path in ("/proc/sysrq-trigger", "/proc/sys/kernel/panic", "/proc/sys/vm/drop_caches", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
             "/proc/self/oom_score_adj", "/proc/self/attr/current", "/proc/sys/kernel/pid_max", "/proc/sys/fs/mqueue/msg_max"):
    quietly(lambda: open(path, "w").write("1"))
""",
    "locks on files of all": """
import fcntl
for folder in ("/usr/lib/python3", "/usr/bin", "/usr/lib", "/proc"):
    for name in os.listdir(folder)[:100] if os.path.isdir(folder) else ():
        fd = quietly(os.open, f"{folder}/{name}", os.O_RDONLY)
        if fd is not None:
            quietly(fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
""",
    "watches and timers": """
for n in range(200):
    quietly(lambda: keep(libc.inotify_init1(0)))
    libc.syscall(222, 1, 0, ctypes.byref(ctypes.c_int()))
    libc.epoll_create1(0), libc.eventfd(0, 0), libc.timerfd_create(1, 0)
""",
    "queues": """
for n in range(50):
    quietly(lambda: libc.mq_open(f"/q{n}".encode(), os.O_CREAT | os.O_RDWR, 0o666, None))
    quietly(os.mknod, f"/dev/mqueue/q{n}")
""",
    "output without end": """
def flood():
    while True:
        os.write(1, bytes(1 << 16))
swarm(flood, 3)
""",
    "a frame without end": """
fd = host._sock.fileno()
os.set_blocking(fd, True)
os.write(fd, struct.pack(">II", 100, 4 << 20) + b"{")
swarm(lambda: [os.write(fd, b" " * 65536) for _ in range(100000)], 2)
""",
    "frames of garbage": "raw(host, b'\\xff' * 999, b'[' * 60000, b'1e999', b'')",
    "the number of a call that is no number": 'raw(host, b\'{"op":"callback","call":1e999,"method":"m"}\')',
    "one number for a thousand calls": "raw(host, *[{'op': 'callback', 'call': 1, 'method': 'm'}] * 1000)",
    "calls without end": "raw(host, *[{'op': 'callback', 'call': n, 'method': 'm'} for n in range(5, 15000)])",
    "calls and their arguments": """
raw(host, *[{'op': 'callback', 'call': n, 'method': 'wait'} for n in range(5, 200)], body=b'\\0' * 1000000)
""",
    "an answer, then calls": """
raw(host, {'op': 'value'}, body=b'\\0\\0\\0\\0041234')
raw(host, *[{'op': 'callback', 'call': n, 'method': 'late'} for n in range(5, 200)])
""",
    "arguments nested without end": "raw(host, {'op': 'callback', 'call': 5, 'method': 'm'}, body=b'\\0\\0\\x07\\xd0' + b'[' * 2000)",
    "arguments that share a hash": """
tree = json.dumps({"m": [{"t": [{"i": hex(n * ((1 << 61) - 1))}, 1]} for n in range(1, 9000)]}).encode()
raw(host, {'op': 'callback', 'call': 5, 'method': 'm'}, body=struct.pack(">I", len(tree)) + tree)
""",
    "it is up, again and again": "raw(host, *[{'op': 'up'}] * 1000)",
    "frames after its end": """
if os.fork() == 0:
    os.setsid()
    while True:
        raw(host, *[{'op': 'callback', 'call': n, 'method': 'm'} for n in range(5, 100)])
os._exit(0)
""",
    "answers it does not read": """
fd = host._sock.fileno()
os.set_blocking(fd, True)
raw(host, *[{'op': 'callback', 'call': n, 'method': 'large'} for n in range(5, 200)], body=b'\\0\\0\\0\\x08{\"d\":[]}')
time.sleep(1)
""",
    "it stops for good": "os.kill(os.getpid(), signal.SIGSTOP)",
    "filters and rules of its own": """
for _ in range(20):
    libc.prctl(38, 1, 0, 0, 0)
    libc.syscall(317, 1, 0, None), libc.syscall(444, None, 0, 1)
    libc.unshare(0x10000000), libc.unshare(0x20000), libc.setns(0, 0), libc.personality(0x40000)
""",
}


def module() -> str:
    """The guest module: an attack a function, and the victim's."""
    parts = [_HEAD]
    for number, body in enumerate(ATTACKS.values()):
        lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
        parts.append(f"async def attack{number}(host, args):\n{lines}    await host.call('wait')\n")
    parts.append(
        "async def victim(host, args):\n"
        "    with open('mine', 'wb') as file:\n        file.write(bytes(100_000))\n"
        "    for n in range(10):\n        open(f'more{n}', 'w').close()\n"
        "    kept = bytearray(4 << 20)\n"
        "    return [args['n'] + await host.call('one'), len(open('mine', 'rb').read()), len(kept)]\n"
    )
    return "\n".join(parts)
