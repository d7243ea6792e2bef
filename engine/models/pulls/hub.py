"""A model from the hub: what it consists of, and its files, each checked; `huggingface_hub` gets them."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.models.checkpoints import file_hash
from engine.models.faults import clip
from sandbox.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# Weights as safetensors, and what tokenizer and configuration need. No pickles and no code.
_WANTED = (
    *("*.safetensors", "model.safetensors.index.json", "config.json", "generation_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "*.model", "chat_template*", "LICENSE*"),
)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_WAIT_S = 20.0
_SHARE = 1.02  # room to leave on the disk: file systems need a little more than the bytes of the files


@dataclass(frozen=True)
class HubFile:
    """A file of a repository. Large ones have a SHA-256; small ones git's own hash of their bytes."""

    path: str
    size: int
    sha256: str
    blob: str


@dataclass(frozen=True)
class Repository:
    """A model's repository at one commit: its licence, as its card says, and the files that are needed."""

    repo: str
    revision: str
    licence: str
    files: tuple[HubFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def is_id(name: str) -> bool:
    """Whether this is a repository's name, as in `Qwen/Qwen3-0.6B`."""
    return _ID.fullmatch(name) is not None


def look(repo: str, revision: str | None) -> Repository:
    """What the hub has under this name; without a revision, its newest commit.

    Raises:
        UsageError: there is no such model, it is gated, or it has no safetensors.
        UnavailableError: the hub cannot be reached, or answers something else.
    """
    from huggingface_hub.hf_api import RepoFile

    api = _api()
    with _told(api.endpoint, repo):
        info = api.model_info(repo, revision=revision, timeout=_WAIT_S)
        entries = [
            entry
            for entry in api.list_repo_tree(repo, revision=info.sha, recursive=True)
            if isinstance(entry, RepoFile)
        ]
    files = tuple(
        HubFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else "", entry.blob_id)
        for entry in entries
        if "/" not in entry.path and is_wanted(entry.path)
    )
    names = {file.path for file in files}
    if "config.json" not in names or not any(name.endswith(".safetensors") for name in names):
        raise UsageError(f"{repo} has no model as safetensors; its GGUF file can be pulled with --from")
    licence = info.card_data.get("license") if info.card_data else None
    return Repository(repo, info.sha or "", str(licence or ""), files)


def is_wanted(name: str) -> bool:
    """Whether a model's folder needs a file of this name."""
    return any(fnmatch.fnmatchcase(name, wanted) for wanted in _WANTED)


def check_room(folder: Path, size: int) -> None:
    """Raises UnavailableError where the disk has no room for that many bytes more."""
    free = shutil.disk_usage(folder).free
    if free < size * _SHARE:
        raise UnavailableError(
            f"{folder}: {size / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB are free: make room, "
            "and pull again"
        )


def fetch(there: Repository, part: Path, tell: Callable[[str], None]) -> dict[str, str]:
    """Bring the files into `part`, going on where an earlier pull ended; returns each file's SHA-256.

    Raises:
        UnavailableError: the disk is full, the hub is gone, or a file is not the one the hub lists; that file
        is removed, and what is right stays for the next pull.
    """
    from huggingface_hub import hf_hub_download

    api = _api()
    present = sum(p.stat().st_size for p in part.rglob("*") if p.is_file())
    check_room(part, max(0, there.size - present))
    hashes = {}
    for file in there.files:
        path = part / file.path
        if path.is_file() and path.stat().st_size == file.size and _is(path, file):
            hashes[file.path] = file.sha256 or file_hash(path)
            continue
        path.unlink(missing_ok=True)
        with _told(api.endpoint, there.repo):
            hf_hub_download(
                there.repo, file.path, revision=there.revision, local_dir=part, endpoint=api.endpoint
            )
        if path.stat().st_size > 50_000_000:
            tell(f"checking {file.path}")
        if not _is(path, file):
            path.unlink()
            raise UnavailableError(
                f"{there.repo}: {file.path} arrived other than the hub lists it (its hash differs), and was "
                "removed: pull again"
            )
        hashes[file.path] = file.sha256 or file_hash(path)
    return hashes


def _is(path: Path, file: HubFile) -> bool:
    if file.sha256:
        return file_hash(path) == file.sha256
    # Git's name for a file's bytes: SHA-1 over a header and the bytes. It is the only hash listed for these.
    data = path.read_bytes()
    header = b"blob %d\0" % len(data)
    return hashlib.sha1(header + data, usedforsecurity=False).hexdigest() == file.blob


def _api() -> HfApi:
    from huggingface_hub import HfApi

    # Read each time, where huggingface_hub reads it at its import.
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)


@contextlib.contextmanager
def _told(where: str, repo: str) -> Generator[None]:
    """Errors of the hub as ours."""
    import httpx
    from huggingface_hub import errors
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()
    try:
        yield
    except (httpx.HTTPError, errors.OfflineModeIsEnabled, OSError) as error:
        raise _ours(error, where, repo) from None


def _ours(error: Exception, where: str, repo: str) -> Exception:
    import httpx
    from huggingface_hub import errors

    why = clip(str(error).strip().partition("\n")[0] or type(error).__name__)
    match error:
        case errors.GatedRepoError():
            return UsageError(
                f"{repo} is gated: accept its terms at {where}/{repo}, and set HF_TOKEN to a token of yours"
            )
        case errors.RevisionNotFoundError():
            return UsageError(f"{where} has no such revision of {repo}")
        case errors.RepositoryNotFoundError():
            return UsageError(f"{where} has no model {repo!r}, or only for those who may see it (HF_TOKEN)")
        case errors.HfHubHTTPError():
            code = error.response.status_code
            if code in (401, 403, 404):
                return _ours(errors.RepositoryNotFoundError("", response=error.response), where, repo)
            return UnavailableError(f"{where} answers {code} for {repo}: pull again later")
        case httpx.HTTPError() | errors.LocalEntryNotFoundError() | errors.OfflineModeIsEnabled():
            return UnavailableError(
                f"{where} cannot be reached ({why}): pull again when it can, name a mirror in "
                "HF_ENDPOINT, or a folder or file with --from"
            )
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return UnavailableError(
                "the disk is full: make room and pull again, which goes on where this ended"
            )
    return UnavailableError(f"{repo} could not be downloaded ({why}): pull again")
