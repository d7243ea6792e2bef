"""From a preset's name or a file, and changes `KEY=VALUE`, to a recipe."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ValidationError

from engine.paths import expanded
from sandbox.errors import UsageError
from training.recipes.kinds import DPORecipe, GRPORecipe, Recipe, SFTRecipe
from training.recipes.maas import MaASRecipe

KINDS: dict[str, type[Recipe]] = {
    "sft": SFTRecipe,
    "dpo": DPORecipe,
    "grpo": GRPORecipe,
    "maas": MaASRecipe,
}
MOST_BYTES = 1 << 20  # of a recipe file; a longer file is not a recipe


class RecipeError(UsageError):
    """A recipe cannot be used; the message names the place, the key and the remedy."""


def presets() -> list[str]:
    """Names of the shipped recipes."""
    folder = files("training.recipes") / "presets"
    return sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml"))


def load(path_or_preset: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a file or a preset, with `SECTION.KEY=VALUE` changes.

    Raises:
        RecipeError: there is no such recipe, or a key or a value in it is wrong.
    """
    if path_or_preset in presets():
        text = (files("training.recipes") / "presets" / f"{path_or_preset}.toml").read_text("utf-8")
    else:
        text = _read(path_or_preset)
    return parse(text, path_or_preset, overrides)


def parse(text: str, where: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a TOML text; `where` names it in messages.

    Raises RecipeError where it is not TOML, or a key or a value is not one of its kind's.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not valid TOML: {error}") from None
    except RecursionError:
        raise RecipeError(f"{where}: nested too deeply to be a recipe") from None
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        known = ", ".join(KINDS)
        problem = "is missing" if kind is None else f"is {str(kind)[:40]!r}"
        raise RecipeError(f"{where}: kind {problem}: it must be one of {known}")
    for change in overrides:
        _change(data, change, KINDS[kind])
    try:
        return KINDS[kind].model_validate(data)
    except ValidationError as error:
        raise RecipeError(_sentence(error, where, KINDS[kind])) from None


def keys(kind: type[BaseModel], above: str = "") -> Iterator[str]:
    """The names of all values of a kind, as overrides write them."""
    for name, field in kind.model_fields.items():
        if section := section_of(field.annotation):
            yield from keys(section, f"{above}{name}.")
        else:
            yield above + name


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section a field holds, if it is one."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _read(path: str) -> str:
    file = expanded(path)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        near = _nearest(path, presets())
        raise RecipeError(
            f"{path}: no preset of this name, and no file that can be read ({error.strerror}){near}; "
            f"presets: {', '.join(presets())}"
        ) from None
    if len(raw) > MOST_BYTES:
        raise RecipeError(f"{path}: longer than {MOST_BYTES} bytes: this is no recipe")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: byte {error.start} is not UTF-8: save the file as UTF-8") from None


def _change(data: dict[str, Any], change: str, kind: type[Recipe]) -> None:
    """Apply one `KEY=VALUE` in place. A value is TOML; a bare word is a text."""
    key, equals, value = change.partition("=")
    key = key.strip()
    if not equals:
        raise RecipeError(f"--set {change}: write KEY=VALUE, as in optimizer.learning_rate=1e-5")
    known = list(keys(kind))
    if key not in known:
        same = [other for other in known if other.rsplit(".", 1)[-1] == key]
        hint = f"; did you mean {' or '.join(same)}?" if same else _nearest(key, known)
        raise RecipeError(f"--set {change}: a recipe of kind {data['kind']} has no key {key!r}{hint}")
    *path, name = key.split(".")
    for part in path:
        inner = data.setdefault(part, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"--set {change}: {part} is not a table in this recipe: make it one")
        data = inner
    data[name] = _value(value.strip())


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def _sentence(error: ValidationError, where: str, kind: type[Recipe]) -> str:
    """The first problem as one sentence; a misspelt key before what follows from it."""
    problems = error.errors(include_url=False)
    problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    path = [str(part) for part in problem["loc"]]
    key = ".".join(path)
    if problem["type"] == "extra_forbidden":
        level: type[BaseModel] = kind
        for part in path[:-1]:
            level = section_of(level.model_fields[part].annotation) or level
        near = _nearest(path[-1], list(level.model_fields)) or _nearest(key, list(keys(kind)))
        return f"{where}: there is no key {key!r} in a recipe of this kind{near}; rename or remove it"
    text = problem["msg"].removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    if not path:
        return f"{where}: {text}"
    given = problem["input"]
    shown = f", not {str(given)[:60]!r}" if isinstance(given, bool | int | float | str) else ""
    form = _as_list(given) if problem["type"] == "list_type" and isinstance(given, str) else ""
    return f"{where}: {key}: {text}{shown}{form}"


def _as_list(given: str) -> str:
    """How to write a list that was given as words, be it in the brackets that a shell leaves of one."""
    words = [word.strip(" '\"") for word in given[:60].strip("[] ").split(",")]
    return f"; write {json.dumps(words)}, in a shell within single quotes" if all(words) else ""


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
