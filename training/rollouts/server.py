"""A vLLM server whose weights a trainer replaces, through a folder that both see.

It has to run in vLLM's development mode, which has the routes for that: weights are read from safetensors in
a folder, prefixes that were computed with the old ones are forgotten, and the server is told the name of its
new weights. One that was started again meanwhile has lost that name, and so is found out.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.endpoint_config import Endpoint
from engine.models.base import ModelError
from engine.models.error_bodies import read_error
from engine.models.faults import clip, fault_of
from engine.secrets import hide
from sandbox.errors import UnavailableError

KEY = "VLLM_API_KEY"  # vLLM's own name for the key it wants
_ANSWER_S = 60.0  # between two of its own steps, on a busy machine
_LOAD_S = 1800.0  # a large model from a slow disk
_CALL_S = 1800.0  # a completion comes whole, so this is not a silence
_IDLE_S = 60.0  # until requests that were given up are gone
_HOW = (
    "VLLM_SERVER_DEV_MODE=1 vllm serve {model} --logprobs-mode processed_logprobs --max-model-len {length} "
    "--host {host} --port {port}"
)


class ServerError(UnavailableError):
    """The policy's server cannot be used, or not any more; the message says what to do."""


@dataclass(frozen=True)
class Served:
    """What a server says of itself: the model's name there, and the tokens that a row may have."""

    name: str
    context: int


def command(model: str, length: int, address: str) -> str:
    """The command that starts a server for a trainer, at a given address."""
    parts = urlsplit(address)
    return _HOW.format(model=model, length=length, host=parts.hostname, port=parts.port or 8000)


class PolicyServer:
    """The server at an address, for one trainer's thread."""

    def __init__(self, address: str) -> None:
        """Opens no connection. Raises ModelError where the address or the key cannot be used."""
        import httpx2

        self.address = address
        self.endpoint = Endpoint(
            base_url=f"{address}/v1",
            api_key_env=KEY if os.environ.get(KEY) else None,
            timeout_s=_CALL_S,
        )
        if problem := self.endpoint.key_problem(address):
            raise ModelError("auth", f"the server at {address} needs a key: {problem}")
        key = self.endpoint.key()
        headers = {"authorization": f"Bearer {key}"} if key else {}
        # Between two steps the server would close a connection that is kept.
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._client = httpx2.Client(base_url=address, headers=headers, limits=limits)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def served(self) -> Served:
        """Raises ServerError: nothing answers there, it is no vLLM server, or it takes no weights."""
        models = self._get("/v1/models").get("data")
        first = models[0] if isinstance(models, list) and models else None
        if not isinstance(first, dict) or not isinstance(first.get("max_model_len"), int):
            raise ServerError(f"what answers at {self.address} is no vLLM server: correct generation.server")
        self.version()
        return Served(str(first.get("id")), first["max_model_len"])

    def tokens(self, model: str, text: str) -> list[int]:
        """The text in the server's tokens, no special ones added. Raises ServerError."""
        body = {"model": model, "prompt": text, "add_special_tokens": False}
        found = self._post("/tokenize", body).get("tokens")
        return found if isinstance(found, list) else []

    def version(self) -> str:
        """The name of the weights that the server has now; vLLM's own word where none were sent.

        Raises ServerError: it does not answer, or is not in development mode.
        """
        return str(self._get("/weight_info", dev=True).get("weight_version"))

    def load(self, folder: Path, version: str) -> None:
        """Have the server read the weights in `folder`, which go by the name `version` from then on.

        No call may be under way. Raises ServerError: it does not answer, does not see the folder, has another
        model, or works for somebody else as well.
        """
        # What it holds is unknown until it is done, also to a trainer that comes after one that was killed.
        self._post("/update_weight_version", {"new_version": "unknown"}, dev=True)
        body = {"method": "reload_weights", "kwargs": {"weights_path": str(folder)}}
        with self._unread(folder):
            self._post("/collective_rpc", body, seconds=_LOAD_S, dev=True)
        self._forget_prefixes()
        self._post("/update_weight_version", {"new_version": version}, dev=True)

    @contextlib.contextmanager
    def _unread(self, folder: Path) -> Iterator[None]:
        try:
            yield
        except _RefusedError as error:
            raise ServerError(
                f"the server at {self.address} could not read the weights in {folder} ({error.words}): it "
                "has to see this folder under the same path (generation.weights), and to serve the same model"
            ) from None

    def _forget_prefixes(self) -> None:
        """Prefixes in use cannot be forgotten: those of calls that were given up are soon gone."""
        end = time.monotonic() + _IDLE_S
        while not self._post("/reset_prefix_cache", None, dev=True).get("success"):
            if time.monotonic() > end:
                raise ServerError(
                    f"the server at {self.address} is busy with calls that are not this training's: "
                    "a server is to serve one training alone"
                )
            time.sleep(0.1)

    def _get(self, path: str, *, dev: bool = False) -> Mapping[str, Any]:
        return self._send("GET", path, None, _ANSWER_S, dev)

    def _post(
        self, path: str, body: object, *, seconds: float = _ANSWER_S, dev: bool = False
    ) -> Mapping[str, Any]:
        return self._send("POST", path, body, seconds, dev)

    def _send(self, method: str, path: str, body: object, seconds: float, dev: bool) -> Mapping[str, Any]:
        import httpx2

        try:
            reply = self._client.request(method, path, json=body, timeout=seconds)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            why = clip(hide(fault_of(error).reason))
            raise ServerError(f"the server at {self.address} does not answer ({why}): start it") from None
        if reply.status_code in (401, 403):
            raise ServerError(f"the server at {self.address} wants a key: set {KEY} in the environment")
        if dev and reply.status_code == 404:
            raise ServerError(
                f"the server at {self.address} takes no weights (it has no {path}): start vLLM 0.32 or newer "
                "with VLLM_SERVER_DEV_MODE=1 in its environment"
            )
        if reply.is_error:
            words = clip(hide(read_error(reply.text).words)) or f"status {reply.status_code}"
            raise _RefusedError(f"the server at {self.address} refused {path}: {words}", words)
        try:
            said = reply.json() if reply.content else {}
        except ValueError:
            said = None
        return said if isinstance(said, dict) else {}


class _RefusedError(ServerError):
    """The server answered, and did not do it; `words` are its reason."""

    def __init__(self, message: str, words: str) -> None:
        super().__init__(message)
        self.words = words
