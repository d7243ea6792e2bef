"""The directory of a job: what is in it, and what it says. No other process is needed to read it.

| File | Written by | What it holds |
|---|---|---|
| `job.json` | whoever submits the job, for every attempt | what to run, and what it is called |
| `recipe.toml` | whoever submits it | the recipe, every field of it |
| `state.json`, `end.json`, `lock`, `supervisor.log` | the supervisor | the state, and how it ended |
| `stop` | whoever wants it to end | the grace |
| `waits.json` | the job, on a Ray cluster | what of the cluster it waits for |
| `log` | the job | what it prints |
| `progress.jsonl` | the trainer | one JSON object a line |
| `checkpoints/step-000040/` | the trainer | a model, whole: it is renamed when it is |
| `link.json` | `remote`, here, for a job elsewhere | the state there, and whether the host answers |
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from engine.ids import new_id
from sandbox.errors import UsageError
from training.jobs.host.status import ENDED, read, write
from training.jobs.host.status import status as status_there

State = Literal[
    "queued",
    "starting",
    "running",
    "stopping",
    "done",
    "failed",
    "stopped",
    "unsupervised",
    "lost",
    "unknown",
]
Report = Callable[[str], object]  # gets a line on what is under way and takes time
LOCAL = "local"
# Words of a command that the place where it runs fills in.
PYTHON, CODE, RUN_DIR = "{python}", "{code}", "{job}"
_CHECKPOINT = re.compile(r"step-(\d+)")


def silent(line: str) -> None:
    """A `Report` that drops its lines."""


class JobError(UsageError):
    """A job cannot be found, or cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class JobSpec:
    """What to run. Words of `argv` may hold PYTHON, CODE and RUN_DIR: see `ours`."""

    kind: str
    """sft, grpo, dpo, maas or serve."""
    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    gpus: tuple[int, ...] = ()
    grace_s: float = 30.0
    """Seconds between TERM and KILL."""
    parent: str | None = None
    """The job whose recipe this one's was made from."""
    dataset: str | None = None
    base: str | None = None
    """The model it begins with."""
    recipe: str = ""
    """TOML. Paths of this machine in it are replaced where the job runs elsewhere."""
    sends: tuple[Path, ...] = ()
    """Files and folders of this machine that the recipe or `argv` names, for a job that runs elsewhere."""
    needs: str = "train"
    """The extra of our package that is to be there."""
    port: int | None = None
    """The port on which it listens, which must be free."""
    ranks: int = 1
    """Processes that train together. A Ray cluster starts them; elsewhere the trainer does."""
    on_gpus: bool = False
    """Whether each rank has a GPU."""
    id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class JobStatus:
    """How a job is. What is not known, or does not apply, is None."""

    state: State
    attempt: int = 1
    since: float | None = None
    """When the state began, in seconds since the epoch, by the clock of the host."""
    rc: int | None = None
    error: str | None = None
    waits_for: str | None = None
    """What a queued job waits for, such as a GPU and who has it."""
    pid: int | None = None
    """The supervisor."""
    leader: int | None = None
    """The job's first process."""
    link: str | None = None
    """Why its host does not answer. All else is as it was when the host last did; the job may be well."""
    asked: float | None = None
    """When the host last answered, of a job elsewhere."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it is at work any more."""
        return self.state in ENDED or self.state == "lost"


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: the optimizer step after which it was written, and its folder."""

    step: int
    folder: Path

    @property
    def made_at(self) -> float:
        """When it was complete on this machine, in Unix seconds; 0 where that cannot be read."""
        try:
            return (self.folder / "checkpoint.json").stat().st_mtime
        except OSError:
            return 0.0


def ours(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of our modules, as `flowreasoner.command` does, wherever the job runs."""
    return (PYTHON, "-P", CODE, module, *arguments)


def filled_in(argv: tuple[str, ...], python: str, code: str, run_dir: str) -> list[str]:
    """`argv` with PYTHON, CODE and RUN_DIR replaced by the places given."""
    places = {PYTHON: python, CODE: code, RUN_DIR: run_dir}
    return [re.sub("|".join(map(re.escape, places)), lambda match: places[match[0]], word) for word in argv]


def jobs_folder(store: Path) -> Path:
    """Where the directories of jobs are, given the store's file."""
    return store.absolute().parent / "jobs"


def create(run_dir: Path, spec: JobSpec, argv: list[str], host: str = LOCAL) -> None:
    """Make the directory of a new job, whole or not at all. Raises JobError where it cannot be written."""
    draft = run_dir.with_name(f".{run_dir.name}.tmp")
    try:
        draft.mkdir(parents=True, mode=0o700)
        (draft / "recipe.toml").write_text(spec.recipe, encoding="utf-8")
        write(draft / "job.json", _described(spec, argv, host))
        draft.rename(run_dir)
    except OSError as problem:
        shutil.rmtree(draft, ignore_errors=True)
        raise JobError(f"the directory of the job cannot be made: {problem}") from None


def _described(spec: JobSpec, argv: list[str], host: str) -> dict[str, Any]:
    values = {key: value for key, value in asdict(spec).items() if key not in ("recipe", "sends")}
    return {**values, "argv": argv, "host": host, "created": time.time(), "attempt": 1}


def next_attempt(run_dir: Path, now: JobStatus) -> None:
    """Write down that the job starts again. Raises JobError where it has not ended, or is done."""
    job = description(run_dir)
    if not now.has_ended:
        raise JobError(f"job {job['id']} is {now.state}; stop it before you resume it")
    if now.state == "done":
        raise JobError(f"job {job['id']} is done: there is nothing to resume")
    try:
        (run_dir / "stop").unlink(missing_ok=True)
        write(run_dir / "job.json", {**job, "attempt": job.get("attempt", 1) + 1})
    except OSError as problem:
        raise JobError(f"job {job['id']} cannot be resumed: {problem}") from None


def description(run_dir: Path) -> dict[str, Any]:
    """What `job.json` holds. Raises JobError where it is missing or damaged."""
    job = read(run_dir / "job.json")
    if not isinstance(job.get("id"), str) or not isinstance(job.get("argv"), list):
        raise JobError(f"{run_dir} holds no job: its job.json is missing or damaged")
    return job


def all_jobs(folder: Path) -> list[Path]:
    """The directories of all jobs, newest first."""
    run_dirs = [path for path in folder.glob("[!.]*") if (path / "job.json").is_file()]
    return sorted(run_dirs, key=lambda path: path.name, reverse=True)


def find(folder: Path, name: str) -> Path:
    """The directory of the job with this id, beginning of an id, or name; "last" is the newest.

    Raises JobError where there is none, or more than one.
    """
    run_dirs = all_jobs(folder)
    if not run_dirs:
        raise JobError("there are no jobs yet; start one with: flowreasoner train RECIPE")
    if name == "last":
        return run_dirs[0]
    matching = [path for path in run_dirs if path.name == name]
    matching = matching or [path for path in run_dirs if read(path / "job.json").get("name") == name]
    matching = matching or [path for path in run_dirs if name and path.name.startswith(name.lower())]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        raise JobError(f"there is no job {name!r}; `flowreasoner jobs` lists them")
    raise JobError(
        f"{name!r} means {len(matching)} jobs: {', '.join(one.name for one in matching[:4])}; give one's id"
    )


def status(run_dir: Path) -> JobStatus:
    """How the job is; for a job on another host, how it was when that last answered."""
    if read(run_dir / "job.json").get("host", LOCAL) == LOCAL:
        return from_host(status_there(run_dir))
    link = read(run_dir / "link.json")
    last_status = link.get("status")
    return from_host(
        last_status if isinstance(last_status, dict) else {}, link.get("link"), link.get("asked")
    )


def from_host(data: Mapping[str, Any], link: str | None = None, asked: float | None = None) -> JobStatus:
    """The status that a host reported as JSON data; `link` and `asked` are those of `JobStatus`."""
    names = {one.name for one in fields(JobStatus)}
    values = {key: value for key, value in data.items() if key in names and value is not None}
    return JobStatus(**{"state": "unknown", **values, "link": link, "asked": asked})


def checkpoints(run_dir: Path) -> list[Checkpoint]:
    """The complete checkpoints in the directory, newest first."""
    folder = run_dir / "checkpoints"
    paths = list(folder.iterdir()) if folder.is_dir() else []
    complete = [
        Checkpoint(int(name[1]), path) for path in paths if (name := _CHECKPOINT.fullmatch(path.name))
    ]
    return sorted(complete, key=lambda checkpoint: checkpoint.step, reverse=True)


def read_from(path: Path, offset: int, limit: int = 1 << 20) -> bytes:
    """At most `limit` bytes of a file that grows, from `offset` on; b"" where it does not exist yet.

    An `offset` below 0 counts from its end, as that of a slice.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset if offset >= 0 else max(0, file.seek(0, os.SEEK_END) + offset))
            return file.read(limit)
    except FileNotFoundError:
        return b""


def remove(run_dir: Path) -> None:
    """Delete the directory of a job that has ended. Raises JobError where that fails."""
    going = run_dir.with_name(f".{run_dir.name}.gone")
    try:
        run_dir.rename(going)  # first: no reader finds half a job
        shutil.rmtree(going)
    except OSError as problem:
        raise JobError(f"job {run_dir.name} cannot be deleted: {problem}") from None
