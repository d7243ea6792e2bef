"""Where requests have their directories, and how far the runner may reach when it cleans up."""

from __future__ import annotations

# In a container everything there is belongs to requests, so leftovers are found by looking everywhere.
# Without isolation (`guest.local`) only our own directory and our own descendants are ours to touch.
confined = True
root = "/tmp"
shared: tuple[str, ...] = ("/tmp", "/dev/shm", "/dev/mqueue")


def home(uid: int) -> str:
    """The directory of the request that has `uid`."""
    return f"{root}/r{uid}"


def unconfined(own_root: str) -> None:
    """From now on reach no further than `own_root` and this process's descendants."""
    global confined, root, shared
    confined, root, shared = False, own_root, (own_root,)
