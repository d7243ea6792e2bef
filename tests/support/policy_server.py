"""A server of our own that speaks what a trainer needs of vLLM: it decodes with the weights it is sent.

    with PolicyServerDouble(folder) as server:
        ...  # server.address; server.says["/weight_info"] = Reply(...) answers otherwise

Served from a thread of its own, because trainers are no coroutines.
"""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any, Self

from engine.models.base import Sampling
from tests.support.openai_server import OpenAIServer, Reply, failure
from training.rollouts.generators import EmbeddedGenerator

NOT_FOUND = failure(404, "Not Found")


def json_reply(body: object) -> Reply:
    return Reply([json.dumps(body).encode()], headers={"content-type": "application/json"})


class PolicyServerDouble:
    """`says` has replies for paths that are to answer otherwise; `loaded` are the folders it was sent."""

    def __init__(self, folder: Path, *, context: int = 2048, stale_head: bool = False) -> None:
        """It begins with the model in `folder`. With `stale_head` its output layer never changes."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder)
        if stale_head:
            import torch

            self.model.lm_head.weight = torch.nn.Parameter(self.model.lm_head.weight.detach().clone())
        self.says: dict[str, Reply] = {}
        self.loaded: list[Path] = []
        self.versions: list[str] = ["default"]
        self.calls: list[tuple[str, dict[str, Any]]] = []  # the version that answered, and the request
        self.address = ""
        self._context, self._stale_head = context, stale_head
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server = OpenAIServer(self._answer)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._server.__aenter__())
        self.address = self._server.url.removesuffix("/v1")
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def stop(self) -> None:
        """Answer nothing from now on, as a server that died."""
        self._run(self._server.__aexit__())

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _answer(self, request: dict[str, Any]) -> Reply:
        path = self._server.targets[-1]
        if path in self.says:
            return self.says[path]
        match path:
            case "/v1/models":
                return json_reply({"data": [{"id": "policy", "max_model_len": self._context}]})
            case "/tokenize":
                ids = self.tokenizer.encode(request["prompt"], add_special_tokens=False)
                return json_reply({"tokens": ids})
            case "/weight_info":
                return json_reply({"weight_version": self.versions[-1]})
            case "/update_weight_version":
                self.versions.append(request["new_version"])
                return json_reply({"success": True})
            case "/reset_prefix_cache":
                return json_reply({"success": True})
            case "/collective_rpc":
                return self._load(Path(request["kwargs"]["weights_path"]))
            case "/v1/completions":
                return self._complete(request)
            case _:
                return NOT_FOUND

    def _load(self, folder: Path) -> Reply:
        from safetensors.torch import load_file

        if not (folder / "model.safetensors").exists():
            return failure(500, "Worker failed with error 'no weights there'")
        state = load_file(folder / "model.safetensors")
        if self._stale_head:
            state.pop("lm_head.weight", None)
        self.model.load_state_dict(state, strict=False)
        self.loaded.append(folder)
        return json_reply({"results": [None]})

    def _complete(self, request: dict[str, Any]) -> Reply:
        self.calls.append((self.versions[-1], request))
        sampling = Sampling(request["temperature"], 1.0, request["max_tokens"], request["seed"])
        (made,) = EmbeddedGenerator(self.model, self.tokenizer).generate([request["prompt"]], [sampling])
        choice = {
            "index": 0,
            "text": "",
            "finish_reason": made.finish,
            "token_ids": made.ids,
            "logprobs": {"token_logprobs": made.logps},
        }
        head = {"id": "c", "object": "text_completion", "created": 0, "model": "policy"}
        return json_reply(head | {"choices": [choice]})
