"""A model from a folder, a GGUF file, or the address of one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from engine.models.checkpoints import file_hash
from engine.models.faults import clip
from engine.models.pulls import gguf
from engine.models.pulls.hub import check_room, is_wanted
from engine.paths import expanded
from sandbox.errors import UnavailableError, UsageError

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_SILENCE_S = 60.0


def bring(place: str, part: Path, tell: Callable[[str], None], progress: Callable[[int, int], None]) -> None:
    """Bring the model at `place` into the folder `part`: that of a folder, a GGUF file, or the URL of one.

    `progress` is called with bytes that are there and bytes in all, 0 where that is unknown.

    Raises:
        UsageError: there is no model.
        UnavailableError: it cannot be downloaded, or there is no room.
    """
    if _ADDRESS.match(place):
        file = part / ".download.gguf"
        _download(place, file, progress)
        gguf.check(file)
        _converted(file, part, shown(place), tell)
        file.unlink()
        return
    path = expanded(place)
    if path.is_dir():
        _copy(path, part)
    elif path.is_file():
        gguf.check(path)
        _converted(path, part, str(path), tell)
    else:
        raise UsageError(f"{place} is no folder, GGUF file or URL")


def _converted(source: Path, part: Path, called: str, tell: Callable[[str], None]) -> None:
    check_room(part, source.stat().st_size)
    tell(f"converting {called} to safetensors")
    gguf.convert(source, part, called)


def _copy(folder: Path, part: Path) -> None:
    files = [p for p in folder.iterdir() if p.is_file() and is_wanted(p.name)]
    if not (folder / "config.json").is_file() or not any(p.suffix == ".safetensors" for p in files):
        inside = sorted(p.name for p in folder.glob("*.gguf"))
        hint = f"; name its file {inside[0]}" if inside else ""
        raise UsageError(f"{folder} holds no model (config.json and *.safetensors){hint}")
    check_room(part, sum(p.stat().st_size for p in files))
    try:
        for path in files:
            shutil.copyfile(path, part / path.name)
    except OSError as error:
        raise UnavailableError(f"{error.filename or folder}: cannot be copied ({error.strerror})") from None


def _download(url: str, file: Path, progress: Callable[[int, int], None]) -> None:
    """The file at `url`, from the byte on that an earlier try ended at."""
    import httpx2

    name = shown(url)
    have = file.stat().st_size if file.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with httpx2.stream(
            "GET", url, headers=headers, timeout=_SILENCE_S, follow_redirects=True
        ) as response:
            if response.status_code == 416:  # there is nothing after what we have
                return
            if response.status_code not in (200, 206):
                raise UnavailableError(f"{name} answers {response.status_code}: check the address")
            if response.status_code == 200:
                have = 0
            length = int(response.headers.get("Content-Length") or 0)
            total = have + length if length else 0
            check_room(file.parent, length)
            with file.open("ab" if have else "wb") as out:
                for chunk in response.iter_bytes():
                    have += out.write(chunk)
                    progress(have, total)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise UnavailableError(
            f"{name} could not be downloaded ({clip(str(error)) or type(error).__name__}): "
            "pull again, which goes on where this ended"
        ) from None
    except OSError as error:
        raise UnavailableError(f"{file.parent}: cannot be written ({error.strerror})") from None
    if total and have != total:
        raise UnavailableError(f"{name} ended early: pull again, which goes on where this ended")


def hashes(part: Path) -> dict[str, str]:
    """The SHA-256 (hex) of each file of a model's folder."""
    return {
        p.name: file_hash(p) for p in sorted(part.iterdir()) if p.is_file() and not p.name.startswith(".")
    }


def shown(place: str) -> str:
    """A place as it may be shown: without what an address may hold as secrets."""
    if not _ADDRESS.match(place):
        return str(expanded(place).absolute())
    parts = urlsplit(place)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"
