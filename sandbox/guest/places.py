"""Where requests have their directories, and how far the runner may reach when it cleans up."""

from __future__ import annotations

import os

# A session's calls have their directories in a small file system that no other session's have: what one
# fills up is its own. All else a container does, it does alone, in /tmp.
SEATS = 32
SEAT_MB, SEAT_INODES = 8, 256

# In a container everything there is belongs to requests, so leftovers are found by looking everywhere.
# Without isolation (`guest.local`) only our own directory and our own descendants are ours to touch.
confined = True
root = "/tmp"
seats = "/mnt"
shared: tuple[str, ...] = ("/tmp", "/dev/shm", "/dev/mqueue")


def seat(number: int | None) -> str:
    """The directory in which calls of the session at seat `number` have theirs."""
    path = root if number is None else f"{seats}/{number}"
    return path if confined and os.path.isdir(path) else root


def new_home(number: int | None) -> str:
    """A name for a request's directory that nobody could guess, and so take before it is made."""
    return f"{seat(number)}/{os.urandom(12).hex()}"


def unconfined(own_root: str) -> None:
    """From now on reach no further than `own_root` and this process's descendants."""
    global confined, root, shared
    confined, root, shared = False, own_root, (own_root,)
