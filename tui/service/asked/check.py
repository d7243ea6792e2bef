"""Whether a run could begin, as far as can be told without starting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.errors import ExpectedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.config import Settings


def why_not(settings: Settings, models: Iterable[str], *, sandbox: bool = True) -> str:
    """Why nothing can run here with these models, in a sentence with a remedy; "" where no reason is known.

    Contacts no endpoint and loads no weights. Blocks while the Docker daemon answers, where `sandbox` says to
    ask it.
    """
    from engine.models.registry import open_model
    from sandbox.backends import choose_backends

    try:
        for name in dict.fromkeys(models):
            if not name.startswith("replay:"):
                open_model(name, settings)
        if sandbox:
            isolation = settings.sandbox
            choose_backends(isolation.backend, settings.docker_hosts, runtime=isolation.runtime)
    except ExpectedError as error:
        return str(error)
    return ""
