"""A job as the user fills it in: a recipe with changes, what it trains on, and where."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.errors import UsageError

if TYPE_CHECKING:
    from engine.host_config import Host
    from training.jobs.directory import JobSpec
    from training.recipes.kinds import Recipe


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A job to start. `recipe` is a preset's name or a file, `changes` are (key, value) as after `--set`.

    `data` is a path, "" for the recipe's own; `host` is a host of the settings, or "local". A job that is
    cloned has its parent's recipe file.
    """

    recipe: str
    changes: tuple[tuple[str, str], ...] = ()
    data: str = ""
    name: str = ""
    host: str = "local"
    gpus: tuple[int, ...] | None = None
    parent: str | None = None

    def resolved(self) -> Recipe:
        """The recipe with the changes.

        Raises RecipeError where it cannot be read, or a change does not fit.
        """
        from engine.paths import expanded
        from training.recipes import load

        overrides = [f"{key}={value}" for key, value in self.changes]
        if self.data:
            overrides.append(f"data.path={json.dumps(str(expanded(self.data).absolute()))}")
        return load(self.recipe, overrides)

    def spec(self, jobs: Path, host: Host | None) -> JobSpec:
        """The job, on `host` if it is to run elsewhere; `jobs` is the folder of all jobs.

        Raises RecipeError, JobError and ModelError where the recipe, the job's name or its base is unusable.
        """
        from training.jobs.specs import training_spec

        stem = self.parent[:10] if self.parent else Path(self.recipe).stem
        return training_spec(
            self.resolved(), self.name or stem, gpus=self.gpus, host=host, jobs=jobs, parent=self.parent
        )

    @property
    def command(self) -> list[str]:
        """The words of the command that does the same."""
        words = ["flowreasoner", "train", self.recipe]
        for key, value in self.changes:
            words += ["--set", f"{key}={value}"]
        for option, value in (("--data", self.data), ("--name", self.name)):
            words += [option, value] if value else []
        words += ["--gpus", ",".join(map(str, self.gpus))] if self.gpus is not None else []
        return [*words, *(["--on", self.host] if self.host != "local" else [])]


def changes(words: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Changes as a user types them, `KEY=VALUE`, as pairs. Raises UsageError where one has no `=`."""
    pairs = [word.partition("=") for word in words]
    if wrong := next((key for key, equals, _ in pairs if not equals), None):
        raise UsageError(f"--set {wrong}: write KEY=VALUE, as in optimizer.learning_rate=1e-5")
    return tuple((key, value) for key, _, value in pairs)


def gpu_numbers(text: str) -> tuple[int, ...]:
    """GPUs as a user types them, `0,1`. Raises UsageError where they are not different numbers."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise UsageError(f"--gpus {text}: write the numbers of GPUs, as in 0,1")
    return tuple(map(int, parts))


def differences(before: Path, after: Path | Recipe) -> list[tuple[str, str, str]]:
    """(key, value in `before`, value in `after`) for each value that a recipe changes of another's file.

    A value that is absent is "–". Raises RecipeError where a file is not a recipe.
    """
    from training.recipes import load

    recipe = load(str(after)) if isinstance(after, Path) else after
    old, new = (dict(_flat(r.model_dump())) for r in (load(str(before)), recipe))
    keys = dict.fromkeys([*old, *new])
    return [(k, _said(old, k), _said(new, k)) for k in keys if old.get(k) != new.get(k)]


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, value


def _said(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return "–" if value is None else str(value)


def estimate(recipe: Recipe) -> Iterator[str]:
    """What the recipe would take, one line each, with what the estimate is based on.

    Raises ExpectedError where its data or its base cannot be used.
    """
    from training.recipes.plan import plan

    estimated = plan(recipe)
    sizes = (
        ("rows", estimated.rows),
        ("tokens", estimated.tokens),
        ("longest", estimated.longest),
        ("steps", estimated.steps),
    )
    for name, value in sizes:
        yield f"{name:<12}{'not known' if value is None else f'{value:,}'}"
    for name, guess in estimated.estimates.items():
        yield f"{name:<12}{guess.value:,.3g} {guess.unit} ({guess.basis})"
