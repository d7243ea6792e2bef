"""Short errands on the host of a job: what is there, which files, an environment. They answer in JSON."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .blobs import assemble, manifest, missing, unpack
from .gpus import gpus
from .status import write


def facts(workdir: Path) -> dict[str, Any]:
    """What a job needs to know about its host. `disk_free` is in bytes, `time` in Unix seconds."""
    workdir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "python": list(sys.version_info[:2]),
        "glibc": [int(part) for part in platform.libc_ver()[1].split(".")[:2] if part.isdecimal()],
        "machine": platform.machine(),
        "gpus": gpus(),
        "disk_free": shutil.disk_usage(workdir).free,
        "docker": _docker(),
        "uv": shutil.which("uv"),
        "time": time.time(),
        "ends_with_session": _ends_with_session(),
    }


def _docker() -> str:
    """Why Docker cannot be used; "" where it can."""
    try:
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except FileNotFoundError:
        return "there is no docker command"
    except (OSError, subprocess.SubprocessError) as problem:
        return str(problem)
    lines = result.stderr.strip().splitlines() or ["no answer"]
    return "" if result.returncode == 0 else lines[-1]


def _ends_with_session() -> bool:
    """Whether systemd ends what a session started when the session ends, so that no job would survive it."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1"]
        command += ["org.freedesktop.login1.Manager", "KillUserProcesses"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        lingers = Path("/var/lib/systemd/linger", os.environ.get("USER", "")).is_file()
        return result.stdout.strip() == "b true" and not lingers and os.getuid() != 0
    return False


def hashes(folder: Path) -> dict[str, list[Any]]:
    """[SHA-256, bytes] of every file of a folder, by relative path.

    They are cached in the folder for as long as sizes and times of its files stay the same.
    """
    cache = folder / ".hashes.json"
    cached: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        cached = json.loads(cache.read_text(encoding="utf-8"))
    sizes = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            if path.is_file() and not path.is_symlink():
                sizes[path.relative_to(folder).as_posix()] = [path.stat().st_size, path.stat().st_mtime_ns]
    if {name: entry[1:] for name, entry in cached.items()} != sizes:
        cached = {name: [digest, *sizes[name]] for name, digest in manifest(folder).items() if name in sizes}
        with contextlib.suppress(OSError):
            write(cache, cached)
    return {name: entry[:2] for name, entry in cached.items()}


def snapshot(run_dir: Path) -> bool:
    """Copy the job's store, which may be in use, to `.store.db`; returns whether it has one."""
    if not (run_dir / "store.db").is_file():
        return False
    draft, copy = run_dir / ".store.db.tmp", run_dir / ".store.db"
    draft.unlink(missing_ok=True)
    closing, connect = contextlib.closing, sqlite3.connect
    with closing(connect(run_dir / "store.db")) as source, closing(connect(draft)) as target:
        source.backup(target)
    draft.replace(copy)
    return True


def environment(folder: Path, wanted: dict[str, Any]) -> None:
    """Make an environment with the `requirements` within the `constraints`, unless there is one.

    With `wheels`, a folder, no package index is used. What installers print goes to standard error. Raises
    RuntimeError, with a sentence on what is missing, where an installer fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two jobs that want the same environment make it once
        if (folder / "ready").exists():
            return
        for name in ("requirements", "constraints"):
            (folder / f"{name}.txt").write_text("\n".join(wanted[name]) + "\n", encoding="utf-8")
        options = ["-r", str(folder / "requirements.txt"), "-c", str(folder / "constraints.txt")]
        if wanted.get("wheels"):
            options += ["--no-index", "--find-links", wanted["wheels"]]
        place = folder / "venv"
        shutil.rmtree(place, ignore_errors=True)
        if uv := shutil.which("uv"):
            _run([uv, "venv", "--quiet", "--python", sys.executable, str(place)])
            _run([uv, "pip", "install", "--python", str(place / "bin/python"), *options])
        else:
            _run([sys.executable, "-I", "-m", "venv", str(place)])
            pip = [str(place / "bin/python"), "-I", "-m", "pip", "install", "--disable-pip-version-check"]
            _run([*pip, *options])
        (folder / "ready").touch()


def _run(command: list[str]) -> None:
    """Raises RuntimeError."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        last = ""
        for line in process.stdout or ():
            last = line.strip() or last
            sys.stderr.write(line)
            sys.stderr.flush()
    if process.returncode != 0:
        raise RuntimeError(f"`{Path(command[0]).name} {' '.join(command[1:4])} …` failed there: {last}")


def errand(name: str, words: list[str]) -> Any:
    """Carry out an errand; its input besides `words` is standard input. The result is JSON-ready.

    Raises RuntimeError where there is no such errand or it fails, and OSError where files cannot be read or
    written.
    """
    places = [Path(word).expanduser() for word in words]
    if name == "facts":
        return facts(places[0])
    if name == "missing":
        return missing(places[0], json.load(sys.stdin))
    if name == "unpack":
        return unpack(places[0], sys.stdin.buffer.read())
    if name == "assemble":
        return assemble(places[0], places[1], json.load(sys.stdin))
    if name == "hashes":
        return hashes(places[0])
    if name == "snapshot":
        return snapshot(places[0])
    if name == "environment":
        return environment(places[0], json.load(sys.stdin))
    if name == "remove":
        return shutil.rmtree(places[0], ignore_errors=True)
    raise RuntimeError(f"there is no errand {name!r}")
