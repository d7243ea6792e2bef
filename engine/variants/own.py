"""Users' own variants: a Python file named by its path, or an entry point of an installed package.

This is the user's own code, and it runs on the host with the user's rights, as that of any package they
install. It is imported only where they name it.
"""

from __future__ import annotations

import sys
from functools import cache
from hashlib import blake2b
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from engine.paths import expanded
from engine.variants import VARIANTS, UnknownVariantError, Variant
from sandbox.errors import UsageError

GROUP = "flowreasoner.variants"


def from_file(name: str) -> Variant:
    """The `VARIANT` of a Python file. Raises UnknownVariantError where there is no such file, it cannot be
    imported, or it defines no variant.
    """
    try:
        path = expanded(name)
    except UsageError as error:
        raise UnknownVariantError(str(error)) from None
    if not path.is_file():
        raise UnknownVariantError(f"{name}: there is no such file; give the path of a variant's Python file")
    return _checked(
        getattr(_module(path.resolve()), "VARIANT", None), name, "define VARIANT = Variant(solve)"
    )


def from_entry_point(entry: EntryPoint) -> Variant:
    """The variant that an entry point names. Raises UnknownVariantError where it cannot be imported or
    is none.
    """
    place = f"variant {entry.name} ({entry.value})"
    try:
        value = entry.load()
    except Exception as error:
        raise _failed(place, error) from error
    return _checked(value, place, "let the entry point name a Variant, as in package.module:VARIANT")


@cache
def installed() -> dict[str, EntryPoint]:
    """The entry points by name; nothing is imported. One with the name of a variant of ours cannot be
    reached.
    """
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def available() -> dict[str, str]:
    """Every variant with a name, and what it does; users' files are named by their path and not among
    them.
    """
    ours = {name: what for name, (_, what) in VARIANTS.items()}
    others = {n: f"of the installed package {_package(e)}" for n, e in installed().items() if n not in ours}
    return ours | others


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module


@cache
def _module(path: Path) -> ModuleType:
    """The file as a module, which is imported once for all runs."""
    name = f"flowreasoner_variant_{blake2b(str(path).encode(), digest_size=8).hexdigest()}"
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # its name ends in .py
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _failed(str(path), error) from error
    return module


def _checked(value: object, place: str, fix: str) -> Variant:
    if not isinstance(value, Variant):
        found = "no VARIANT" if value is None else f"a {type(value).__name__}"
        raise UnknownVariantError(f"{place}: this is {found} where a variant should be; {fix}")
    return value


def _failed(place: str, error: Exception) -> UnknownVariantError:
    line = error.lineno if isinstance(error, SyntaxError) else _line_in(place, error)
    where = f"{place}:{line}" if line else place
    reason = error.msg if isinstance(error, SyntaxError) else str(error) or "no message"
    return UnknownVariantError(f"{where}: the variant cannot be imported ({type(error).__name__}: {reason})")


def _line_in(file: str, error: Exception) -> int | None:
    """The last line of `file` that the error passed through."""
    lines: list[int] = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return lines[-1] if lines else None
