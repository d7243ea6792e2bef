"""Checkpoints of training jobs as models, `job:ID` and `job:ID@STEP`, and hashes that tell weights apart.

A job's folder is `jobs/ID` beside the store; a checkpoint is `checkpoints/step-NNNNNN` in it. It is complete
once its `checkpoint.json` is there: the folder is renamed into place when everything in it is written.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import hashlib
import json
import re
from pathlib import Path

from engine.models.base import ModelError

SCHEME = "job"
MANIFEST = "checkpoint.json"
_READ_AT_MOST = 64 << 20  # bytes of weights
_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,79}")
_STEP = re.compile(r"step-(\d{1,12})")


def checkpoints(run_folder: Path) -> list[tuple[int, Path]]:
    """(step, folder) of the complete checkpoints of a job, the smallest step first; [] where there are
    none.
    """
    try:
        matches = [(_STEP.fullmatch(p.name), p) for p in (run_folder / "checkpoints").iterdir()]
    except OSError:
        return []
    return sorted((int(m[1]), p) for m, p in matches if m and (p / MANIFEST).is_file())


def checkpoint_folder(name: str, jobs: Path) -> Path:
    """The folder that `job:ID` (its newest checkpoint) or `job:ID@STEP` names, in the folder of all jobs.

    Raises:
        ModelError: there is no such job, or no such complete checkpoint of it.
    """
    ident, at, step = name.removeprefix(f"{SCHEME}:").partition("@")
    run_folder = jobs / ident
    if not _ID.fullmatch(ident) or not run_folder.is_dir():
        near = difflib.get_close_matches(ident, _names(jobs), n=1)
        hint = f" (did you mean job:{near[0]}?)" if near else ""
        raise ModelError("not-found", f"{name}: there is no job {ident!r} in {jobs}{hint}")
    complete = checkpoints(run_folder)
    if not complete:
        raise ModelError("not-found", f"{name}: the job has no complete checkpoint yet: wait for its first")
    if not at:
        return complete[-1][1]
    folder = next((p for n, p in complete if str(n) == step.lstrip("0")), None)
    if folder is None:
        steps = ", ".join(str(n) for n, _ in complete)
        raise ModelError("not-found", f"{name}: there is no checkpoint of step {step!r}: there are {steps}")
    return folder


def check_is_model(name: str, folder: Path) -> Path:
    """The folder, which `name` names.

    Raises:
        ModelError: it holds a controller of MaAS, which is no language model.
    """
    if _is_controller(folder):
        raise ModelError(
            "not-found",
            f"{name} is a controller of MaAS: it chooses operators for a query and writes no text, so it "
            f"cannot be asked or served; use it with --variant maas,controller={name.removeprefix('hf:')}",
        )
    return folder


def jobs_with_checkpoints(jobs: Path) -> list[str]:
    """`job:ID` of every job whose newest complete checkpoint is a language model, newest job first."""
    newest = ((ident, checkpoints(jobs / ident)[-1:]) for ident in reversed(_names(jobs)))
    return [f"{SCHEME}:{ident}" for ident, found in newest if found and not _is_controller(found[0][1])]


def _is_controller(folder: Path) -> bool:
    """Whether it is MaAS's, which answers nothing."""
    return (folder / "controller.json").exists()


def content_of(folder: Path) -> str:
    """SHA-256 (hex) over the weights in a model's folder; "" where there are none, or reading them would take
    long.

    Folders with equal weight files have the same hash. That of a checkpoint is recorded in its manifest; the
    weights of other folders are read where they have at most `_READ_AT_MOST` bytes. Raises OSError where they
    cannot be read.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        recorded = json.loads((folder / MANIFEST).read_text("utf-8")).get("content")
        if isinstance(recorded, str):
            return recorded
    files = [(p, p.stat()) for p in weight_files(folder)]
    if sum(stat.st_size for _, stat in files) > _READ_AT_MOST:
        return ""
    return content_hash({p.name: _file_hash(p, stat.st_mtime_ns, stat.st_size) for p, stat in files})


def weights_of(source: str) -> str:
    """`content_of` a model's folder; "" for a hub ID, or where the folder is gone."""
    return content_of(Path(source)) if Path(source).is_dir() else ""


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model's folder, by name."""
    return sorted(folder.glob("*.safetensors"))


def content_hash(hashes: dict[str, str]) -> str:
    """One SHA-256 (hex) of weight files, from each file's name and SHA-256; "" for no files."""
    lines = "".join(f"{name} {value}\n" for name, value in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest() if lines else ""


@functools.lru_cache(maxsize=256)
def _file_hash(path: Path, modified: int, size: int) -> str:
    """As `file_hash`; `modified` and `size` are in the cache's key, so that a changed file is read again."""
    return file_hash(path)


def file_hash(path: Path) -> str:
    """A file's SHA-256 in hex. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(jobs: Path) -> list[str]:
    try:
        return sorted(p.name for p in jobs.iterdir() if p.is_dir())
    except OSError:
        return []
