"""A training job's folder, as its trainer sees it: what to do, and what is there already."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.models.checkpoints import checkpoints
from sandbox.errors import UnavailableError, UsageError
from training.recipes import Recipe, load


@dataclass(frozen=True)
class RunDirectory:
    """`recipe` is `recipe.toml`; `attempt` and `grace_s`, what a stop allows in seconds, are job.json's."""

    path: Path
    recipe: Recipe
    attempt: int
    grace_s: float

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Raises UsageError: there is no recipe in it, or it or job.json cannot be used."""
        if not (path / "recipe.toml").is_file():
            raise UsageError(
                f"{path}: no run directory (no recipe.toml): start jobs with `flowreasoner train`"
            )
        return cls(path, load(str(path / "recipe.toml")), *_of_job(path / "job.json"))

    def newest_checkpoint(self) -> Path | None:
        """The newest complete checkpoint."""
        found = checkpoints(self.path)
        return found[-1][1] if found else None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other trainers out while this one works.

        Raises:
            UnavailableError: another trainer works here.
        """
        with (self.path / "trainer.lock").open("a+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                holder = lock.read(20).strip() or "unknown"
                raise UnavailableError(
                    f"{self.path}: another trainer (process {holder}) works in this directory: stop it first"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield


def _of_job(path: Path) -> tuple[int, float]:
    """Attempt and grace; 1 and 30 s where there is no job."""
    try:
        job: Any = json.loads(path.read_text("utf-8"))
        return int(job["attempt"]), float(job.get("grace_s", 30))
    except FileNotFoundError:
        return 1, 30.0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: cannot be used ({error}): submit the job again") from None
