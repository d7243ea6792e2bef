"""A system call filter for bubblewrap, which has none of its own: what Docker's default profile denies,
and files in memory, which no limit of a process counts (a container's would).

Classic BPF over `struct seccomp_data`, written here because the standard library can and a binding to
libseccomp would be one more thing to install.
"""

from __future__ import annotations

import platform
import struct

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24  # offsets in struct seccomp_data (little endian)
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NEW_NAMESPACES = 0x7E020080  # CLONE_NEW{TIME,NS,CGROUP,UTS,IPC,USER,PID,NET}
_TIOCSTI = 0x5412
_X32 = 0x40000000

# name: (x86_64, aarch64); None where the machine has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_MACHINES = {"x86_64": (0, 0xC000003E, 56, 16), "aarch64": (1, 0xC00000B7, 220, 29)}  # clone, ioctl
_CLONE3 = 435


def program() -> bytes | None:
    """The filter for this machine, or None where we know no call numbers for it."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return None
    column, arch, clone, ioctl = machine
    denied = sorted(number for numbers in _DENIED.values() if (number := numbers[column]) is not None)
    deny = _step(_RETURN, _ERRNO | _EPERM)
    code = [
        _step(_LOAD, _ARCH),
        _step(_EQUAL, arch, 1, 0),  # another ABI has other numbers: none of it
        deny,
        _step(_LOAD, _NR),
        _step(_AT_LEAST, _X32, 0, 1),
        deny,
    ]
    for number in denied:
        code += [_step(_EQUAL, number, 0, 1), deny]
    # The C library falls back to clone, whose flags a filter can read.
    code += [_step(_EQUAL, _CLONE3, 0, 1), _step(_RETURN, _ERRNO | _ENOSYS)]
    code += [_step(_EQUAL, clone, 0, 4), _step(_LOAD, _ARG0), _step(_ANY_BIT, _NEW_NAMESPACES, 0, 1), deny]
    code += [_step(_RETURN, _ALLOW)]
    code += [_step(_EQUAL, ioctl, 0, 3), _step(_LOAD, _ARG1), _step(_EQUAL, _TIOCSTI, 0, 1), deny]
    code += [_step(_RETURN, _ALLOW)]
    return b"".join(code)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
