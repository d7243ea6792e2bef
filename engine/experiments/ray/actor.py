"""The class of a cluster's workers, which reaches them by value, so that unpickling it imports none of our
modules.

Ray puts the driver's working folder first on the workers' import path, and they have a PYTHONPATH too. A
package called `engine` there may be anybody's, so our names are bound before the first of our modules is
imported.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any


class TrialWorker:
    """A Ray actor around `engine.experiments.trial_worker.TrialWorker`."""

    def __init__(self, ours: str, folder: str, *, unsafe_local: bool) -> None:
        """`ours` and `folder` are folders of the driver: that of its `flowreasoner.py`, and its working
        folder.

        Raises ModuleNotFoundError where flowreasoner is not installed for the Python of this machine.
        """
        _bind(ours, folder)
        from engine.experiments.trial_worker import TrialWorker as Worker

        self._worker = Worker(unsafe_local=unsafe_local)

    async def ask(self, method: str, *args: Any) -> Any:
        """The reply of that method of the worker, as plain data."""
        return await getattr(self._worker, method)(*args)


def actor(ray: Any, **options: Any) -> Any:
    """The class to start workers with; `options` are those of `ray.remote`."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return ray.remote(**options)(TrialWorker)


def _bind(ours: str, folder: str) -> None:
    """`flowreasoner.bind` of the driver's own installation, or of this machine's where that is not here."""
    if sys.path[0] == folder:
        del sys.path[0]
    places = list(sys.path)
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if (place := str(Path(entry).absolute())) in places:
            places.remove(place)  # once: it may be the folder of an editable installation, too
    spec = PathFinder.find_spec("flowreasoner", [ours, *places])
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("No module named 'flowreasoner'", name="flowreasoner")
    start = sys.modules["flowreasoner"] = module_from_spec(spec)
    spec.loader.exec_module(start)
    start.bind()
