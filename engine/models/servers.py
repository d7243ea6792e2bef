"""Model servers that run on this machine, at the ports where they usually listen.

They can be named without a configuration, as `ollama/llama3.2`. Looking for them asks for their list of
models and for nothing else.
"""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.endpoint_config import Endpoint

PORTS = {"ollama": 11434, "llama.cpp": 8080, "lmstudio": 1234, "vllm": 8000, "sglang": 30000}
_PATIENCE_S = 0.5  # they are on this machine: one that listens and does not answer is something else
_MOST_BYTES = 1 << 20
_MOST_MODELS = 200


def usual(settings: Settings) -> dict[str, Endpoint]:
    """The endpoints that need no configuration, by name, whether or not anything listens there.

    One of the configuration that has this name, or this port of this machine, stands in its place; with
    `local_servers = false` there are none.
    """
    if not settings.local_servers:
        return {}
    from engine.endpoint_config import Endpoint

    taken = {endpoint.base_url.split("//")[-1].split("/")[0] for endpoint in settings.endpoints.values()}
    return {
        name: Endpoint(base_url=f"http://127.0.0.1:{port}/v1")
        for name, port in PORTS.items()
        if name not in settings.endpoints
        and not any(f"{host}:{port}" in taken for host in ("127.0.0.1", "localhost", "0.0.0.0", "[::1]"))
    }


def running(settings: Settings) -> dict[str, Endpoint]:
    """Those of `usual` that answer now, each with the models it lists. Takes at most about half a second."""
    places = usual(settings)
    if not places:
        return {}
    with ThreadPoolExecutor(len(places)) as threads:
        listed = threads.map(_models, (endpoint.base_url for endpoint in places.values()))
        return {
            name: endpoint.model_copy(update={"models": models})
            for (name, endpoint), models in zip(places.items(), listed, strict=True)
            if models
        }


def _models(base_url: str) -> list[str]:
    """The models that the server lists; [] where none answers as a model server does."""
    import json

    import httpx2

    body, until = b"", time.monotonic() + _PATIENCE_S
    with contextlib.suppress(httpx2.HTTPError, ValueError, RecursionError):
        # No proxy: what is asked is on this machine.
        with (
            httpx2.Client(timeout=_PATIENCE_S, trust_env=False) as client,
            client.stream("GET", f"{base_url}/models") as response,
        ):
            if response.status_code != 200:
                return []
            for piece in response.iter_bytes():
                body += piece
                if len(body) > _MOST_BYTES or time.monotonic() > until:
                    return []
        return _names(json.loads(body))
    return []


def _names(data: Any) -> list[str]:
    rows = data.get("data") if isinstance(data, dict) else None
    ids = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    good = [i for i in ids if isinstance(i, str) and 0 < len(i) <= 200 and i.isprintable() and " " not in i]
    return sorted(set(good))[:_MOST_MODELS]
