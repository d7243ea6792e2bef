"""Leaving nothing behind: processes, files and System V objects of a request, and the health probe."""

from __future__ import annotations

import contextlib
import os
import time

from . import linux, places

_GONE_WITHIN_S = 2.0


class Cleaner:
    """Cleans up after uids; knows which processes are the runner's own.

    `own_uids` is False where the kernel gave us only one uid (bubblewrap as an ordinary user): then
    leftovers cannot be told apart by owner, and are swept when no request is running.
    """

    def __init__(self, own_uids: bool, keep: set[int]) -> None:
        self.own_uids = own_uids
        self.keep = keep

    def kill(self, uid: int) -> None:
        """Kill every process of `uid`, daemons and forks in flight included."""
        if self.own_uids:
            linux.kill_all_of(uid)

    def acting_as(self, uid: int) -> contextlib.AbstractContextManager[None]:
        """For the length of a block, have no more rights over files than `uid`."""
        return linux.acting_as(uid) if self.own_uids else contextlib.nullcontext()

    def after(self, homes: dict[int, str], idle: bool) -> bool:
        """Remove what the request whose uids have these `homes` left. False if something stayed: recycle
        the container."""
        uids = set(homes)
        gone = self._end_processes(uids, idle)
        if self.own_uids:
            linux.remove_ipc(uids)
        return self._empty_dirs(homes, idle) and gone

    def _end_processes(self, uids: set[int], idle: bool) -> bool:
        if not self.own_uids and not idle:
            return True
        until = time.monotonic() + _GONE_WITHIN_S
        while time.monotonic() < until:
            if self.own_uids:
                alive = uids.intersection(linux.processes(self.keep).values())
                for uid in alive:
                    linux.kill_all_of(uid)
            else:
                alive = self._kill_strangers()
            linux.reap_orphans(self.keep)
            if not alive:
                return True
            time.sleep(0.0005)  # SIGKILL is delivered, not awaited
        return False

    def _kill_strangers(self) -> bool:
        strangers = set(self._visible()) - self.keep
        for pid in strangers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        return bool(strangers)

    def _visible(self) -> dict[int, int]:
        return linux.processes() if places.confined else linux.descendants(os.getpid())

    def _empty_dirs(self, homes: dict[int, str], idle: bool) -> bool:
        clean = True
        for root in {*places.shared, *map(os.path.dirname, homes.values())}:
            for entry in _entries(root):
                owner = _owner(entry)
                if owner in homes if self.own_uids else (idle or entry.path in homes.values()):
                    clean = self._remove(entry, owner) and clean
        return clean

    def _remove(self, entry: os.DirEntry[str], uid: int) -> bool:
        with self.acting_as(uid):
            try:
                if entry.is_dir(follow_symlinks=False):
                    _remove_tree(entry.path)
                else:
                    os.unlink(entry.path)
            except OSError:
                return not os.path.lexists(entry.path)
        return True

    def probe(self) -> str | None:
        """What is not as in a fresh, idle container, in one line; None when nothing."""
        # Under our own uid there is only the zygote and what it holds ready.
        ours = 0 if self.own_uids else -1
        extra = [pid for pid, uid in self._visible().items() if pid not in self.keep and uid != ours]
        if extra:
            return f"{len(extra)} processes are left"
        for root in (*places.shared, *map(places.seat, range(places.SEATS))):
            names = [entry.name for entry in _entries(root)]
            if names:
                return f"{root} holds {len(names)} entries"
        for kind in ("shm", "sem", "msg") if places.confined else ():
            if linux.ipc_objects(kind):
                return f"System V {kind} objects are left"
        return None


def _entries(root: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root) as entries:
            return list(entries)
    except OSError:
        return []


def _owner(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_uid
    except OSError:
        return -1


def _remove_tree(path: str) -> None:
    """Remove a directory, giving back first the permissions its owner took from it and what it holds.

    Not `shutil.rmtree`, which is recursive and brings a megabyte of modules. Nothing of the owner runs
    any more, and we act under its uid: a link here reaches no further than the owner did.
    """
    left, seen = [path], []
    while left:
        folder = left.pop()
        seen.append(folder)
        os.chmod(folder, 0o700)
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False):
                left.append(entry.path)
            else:
                os.unlink(entry.path)
    for folder in reversed(seen):
        os.rmdir(folder)
