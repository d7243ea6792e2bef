"""The trusted guest sources that a sandbox preloads: operators and the workflow runtime.

They are read as text and handed over; the sandbox package knows nothing about the engine.
"""

from __future__ import annotations

from importlib.resources import files

_HOST_ONLY = ("__init__.py", "metaflow_sets.py", "own.py", "sets.py", "specs.py")


def guest_modules() -> dict[str, str]:
    """The source of each guest module by its name. Packages have no source and come before their modules."""
    modules: dict[str, str] = {"engine": ""}
    for package in ("engine.guest", "engine.operators"):
        modules[package] = ""
        for file in sorted(files(package).iterdir(), key=lambda f: f.name):
            if file.name.endswith(".py") and file.name not in _HOST_ONLY:
                modules[f"{package}.{file.name.removesuffix('.py')}"] = file.read_text(encoding="utf-8")
    return modules
