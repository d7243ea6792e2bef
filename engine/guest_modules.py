"""The trusted guest sources a sandbox preloads: operators and the workflow runtime.

They are read as text and handed over; the sandbox knows nothing of the engine.
"""

from __future__ import annotations

from importlib.resources import files

_PACKAGES = {"engine": (), "engine.guest": ("workflow", "operator"), "engine.operators": None}
_HOST_ONLY = ("__init__", "sets")


def guest_modules() -> dict[str, str]:
    """Module name → source, packages (empty) before their modules."""
    modules: dict[str, str] = {}
    for package, names in _PACKAGES.items():
        modules[package] = ""
        folder = files(package)
        if names is None:
            names = sorted(p.name[:-3] for p in folder.iterdir() if p.name.endswith(".py"))
        for name in names:
            if name not in _HOST_ONLY:
                modules[f"{package}.{name}"] = (folder / f"{name}.py").read_text(encoding="utf-8")
    return modules
