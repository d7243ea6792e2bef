"""The system calls that code in a sandbox may make, for both backends: an allow-list.

It is what Docker's default profile allows a container without capabilities, less what no Python program
needs and some have used to get out or to get at a neighbour:

- `io_uring_*`, `io_setup` and the rest of both: work done by the kernel's own threads, past every filter;
- `memfd_create`, `memfd_secret`, `shmget`, `vmsplice`: memory that no process is seen to hold;
- `ptrace`, `process_vm_*`, `pidfd_getfd`, `kcmp`: other processes' memory and descriptors;
- `msgget`, `semget`, `mq_*`: objects that outlive their process, by which neighbours could talk;
- `personality`, but for asking: it takes protections away; `userfaultfd`: it stops the kernel half way;
- `keyctl`, `bpf`, `mbind`, `fanotify_*`, `name_to_handle_at`, and all that came after Linux 5.16
  (450 and up), but for `fchmodat2`: nobody has asked for them yet.

`socket` makes Unix and IP sockets only: Docker's own profile leaves AF_VSOCK open, which leads to the machine
below a virtual one. `clone` makes no namespaces; `clone3`, whose flags no filter can read, does not exist,
so that the C library falls back to `clone`. What is not allowed fails with ENOSYS, as on a kernel that
lacks it, because libraries have an answer to that.

Docker takes the list by name (libseccomp knows the numbers of every machine); bubblewrap takes a program,
classic BPF over `struct seccomp_data`, written here because a binding to libseccomp would be one more thing
to install. The two differ in one thing: for a machine that is not in this table bubblewrap has no filter.
"""

from __future__ import annotations

import json
import platform
import struct

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _ARG0 = 0, 4, 16  # offsets in struct seccomp_data (little endian)
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_ENOSYS = 38
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET}
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6
_ASK = 0xFFFFFFFF  # the argument by which `personality` only tells
_X32 = 0x40000000
_ARCHITECTURES = {
    "x86_64": (0, 0xC000003E, "SCMP_ARCH_X86_64"),
    "aarch64": (1, 0xC00000B7, "SCMP_ARCH_AARCH64"),
}
# Allowed where their first argument is right.
_CLONE, _PERSONALITY, _SOCKET = (56, 220), (135, 92), (41, 198)

# Name, then number on x86_64 and on aarch64; "-" where the machine has no such call.
_TABLE = """
accept 43 202, accept4 288 242, access 21 -, alarm 37 -, arch_prctl 158 -, bind 49 200, brk 12 214,
capget 125 90, capset 126 91, chdir 80 49, chmod 90 -, chown 92 -, clock_getres 229 114,
clock_gettime 228 113, clock_nanosleep 230 115, close 3 57, close_range 436 436, connect 42 203,
copy_file_range 326 285, creat 85 -, dup 32 23, dup2 33 -, dup3 292 24, epoll_create 213 -,
epoll_create1 291 20, epoll_ctl 233 21, epoll_pwait 281 22, epoll_pwait2 441 441, epoll_wait 232 -,
eventfd 284 -, eventfd2 290 19, execve 59 221, execveat 322 281, exit 60 93, exit_group 231 94,
faccessat 269 48, faccessat2 439 439, fadvise64 221 223, fallocate 285 47, fchdir 81 50, fchmod 91 52,
fchmodat 268 53, fchmodat2 452 452, fchown 93 55, fchownat 260 54, fcntl 72 25, fdatasync 75 83,
fgetxattr 193 10, flistxattr 196 13, flock 73 32, fork 57 -, fremovexattr 199 16, fsetxattr 190 7,
fstat 5 80, fstatfs 138 44, fsync 74 82, ftruncate 77 46, futex 202 98, futex_waitv 449 449,
futimesat 261 -, get_robust_list 274 100, getcpu 309 168, getcwd 79 17, getdents 78 -, getdents64 217 61,
getegid 108 177, geteuid 107 175, getgid 104 176, getgroups 115 158, getitimer 36 102,
getpeername 52 205, getpgid 121 155, getpgrp 111 -, getpid 39 172, getppid 110 173, getpriority 140 141,
getrandom 318 278, getresgid 120 150, getresuid 118 148, getrlimit 97 163, getrusage 98 165,
getsid 124 156, getsockname 51 204, getsockopt 55 209, gettid 186 178, gettimeofday 96 169,
getuid 102 174, getxattr 191 8, inotify_add_watch 254 27, inotify_init 253 -, inotify_init1 294 26,
inotify_rm_watch 255 28, ioctl 16 29, ioprio_get 252 31, kill 62 129, lchown 94 -, lgetxattr 192 9,
link 86 -, linkat 265 37, listen 50 201, listxattr 194 11, llistxattr 195 12, lremovexattr 198 15,
lseek 8 62, lsetxattr 189 6, lstat 6 -, madvise 28 233, membarrier 324 283, mincore 27 232, mkdir 83 -,
mkdirat 258 34, mknod 133 -, mknodat 259 33, mlock 149 228, mlock2 325 284, mmap 9 222, mprotect 10 226,
mremap 25 216, msgctl 71 187, msync 26 227, munlock 150 229, munlockall 152 231, munmap 11 215,
nanosleep 35 101, newfstatat 262 79, open 2 -, openat 257 56, openat2 437 437, pause 34 -,
pidfd_open 434 434, pidfd_send_signal 424 424, pipe 22 -, pipe2 293 59, pkey_alloc 330 289,
pkey_free 331 290, pkey_mprotect 329 288, poll 7 -, ppoll 271 73, prctl 157 167, pread64 17 67,
preadv 295 69, preadv2 327 286, prlimit64 302 261, pselect6 270 72, pwrite64 18 68, pwritev 296 70,
pwritev2 328 287, read 0 63, readahead 187 213, readlink 89 -, readlinkat 267 78, readv 19 65,
recvfrom 45 207, recvmmsg 299 243, recvmsg 47 212, removexattr 197 14, rename 82 -, renameat 264 38,
renameat2 316 276, restart_syscall 219 128, rmdir 84 -, rseq 334 293, rt_sigaction 13 134,
rt_sigpending 127 136, rt_sigprocmask 14 135, rt_sigqueueinfo 129 138, rt_sigreturn 15 139,
rt_sigsuspend 130 133, rt_sigtimedwait 128 137, rt_tgsigqueueinfo 297 240,
sched_get_priority_max 146 125, sched_get_priority_min 147 126, sched_getaffinity 204 123,
sched_getattr 315 275, sched_getparam 143 121, sched_getscheduler 145 120, sched_rr_get_interval 148 127,
sched_setaffinity 203 122, sched_setattr 314 274, sched_setparam 142 118, sched_setscheduler 144 119,
sched_yield 24 124, select 23 -, semctl 66 191, sendfile 40 71, sendmmsg 307 269, sendmsg 46 211,
sendto 44 206, set_robust_list 273 99, set_tid_address 218 96, setfsgid 123 152, setfsuid 122 151,
setgid 106 144, setgroups 116 159, setitimer 38 103, setpgid 109 154, setpriority 141 140,
setregid 114 143, setresgid 119 149, setresuid 117 147, setreuid 113 145, setrlimit 160 164,
setsid 112 157, setsockopt 54 208, setuid 105 146, setxattr 188 5, shmctl 31 195, shutdown 48 210,
sigaltstack 131 132, signalfd 282 -, signalfd4 289 74, socketpair 53 199, splice 275 76, stat 4 -,
statfs 137 43, statx 332 291, symlink 88 -, symlinkat 266 36, sync 162 81, sync_file_range 277 84,
syncfs 306 267, sysinfo 99 179, tee 276 77, tgkill 234 131, time 201 -, timer_create 222 107,
timer_delete 226 111, timer_getoverrun 225 109, timer_gettime 224 108, timer_settime 223 110,
timerfd_create 283 85, timerfd_gettime 287 87, timerfd_settime 286 86, times 100 153, tkill 200 130,
truncate 76 45, umask 95 166, uname 63 160, unlink 87 -, unlinkat 263 35, utime 132 -, utimensat 280 88,
utimes 235 -, vfork 58 -, wait4 61 260, waitid 247 95, write 1 64, writev 20 66,
landlock_create_ruleset 444 444, landlock_add_rule 445 445, landlock_restrict_self 446 446,
"""
_ALLOWED: dict[str, tuple[int | None, ...]] = {
    name: tuple(None if number == "-" else int(number) for number in numbers)
    for name, *numbers in (cell.split() for cell in _TABLE.split(",") if cell.strip())
}


def program() -> bytes | None:
    """The filter for this machine as BPF, or None where we know no call numbers for it."""
    machine = _ARCHITECTURES.get(platform.machine())
    if machine is None:
        return None
    column, arch, _ = machine
    allow, deny = _step(_RETURN, _ALLOW), _step(_RETURN, _ERRNO | _ENOSYS)
    code = [_step(_LOAD, _ARCH), _step(_EQUAL, arch, 1, 0), deny]  # another ABI has other numbers
    code += [_step(_LOAD, _NR), _step(_AT_LEAST, _X32, 0, 1), deny]
    code += [_step(_EQUAL, _CLONE[column], 0, 4), _step(_LOAD, _ARG0)]
    code += [_step(_ANY_BIT, _NEW_NAMESPACES, 0, 1), deny, allow]
    for call, values in ((_PERSONALITY, (_ASK,)), (_SOCKET, _FAMILIES)):
        tests = [part for value in values for part in (_step(_EQUAL, value, 0, 1), allow)]
        code += [_step(_EQUAL, call[column], 0, len(tests) + 2), _step(_LOAD, _ARG0), *tests, deny]
    numbers = [number for row in _ALLOWED.values() if (number := row[column]) is not None]
    for first, last in _ranges(sorted(numbers)):
        code += [_step(_AT_LEAST, first, 1, 0), deny, _step(_AT_LEAST, last + 1, 1, 0), allow]
    return b"".join([*code, deny])


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """First and last of each run of numbers."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def profile() -> str:
    """The same as a profile for Docker, in JSON."""

    def where(value: int, op: str) -> list[dict[str, object]]:
        return [{"index": 0, "value": value, "op": op}]

    allow = "SCMP_ACT_ALLOW"
    rules: list[dict[str, object]] = [{"names": sorted(_ALLOWED), "action": allow}]
    rules += [{"names": ["socket"], "action": allow, "args": where(f, "SCMP_CMP_EQ")} for f in _FAMILIES]
    rules += [{"names": ["personality"], "action": allow, "args": where(_ASK, "SCMP_CMP_EQ")}]
    rules += [{"names": ["clone"], "action": allow, "args": where(_NEW_NAMESPACES, "SCMP_CMP_MASKED_EQ")}]
    # Some daemons know no default but EPERM, from which the C library does not go on to `clone`.
    rules += [{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS}]
    architectures = [name for _, _, name in _ARCHITECTURES.values()]
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": _ENOSYS,
            "archMap": [{"architecture": name, "subArchitectures": []} for name in architectures],
            "syscalls": rules,
        }
    )
