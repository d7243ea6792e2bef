"""From the name that a user types to a model, and the list of names that can be typed.

Opening a model loads neither torch nor the OpenAI SDK: weights and connections come with the first call.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.models.base import ChatModel, ModelError
from engine.models.checkpoints import SCHEME as JOB
from engine.models.checkpoints import check_is_model, checkpoint_folder, jobs_with_checkpoints
from engine.models.pulls import shelf
from engine.models.pulls.catalogue import CATALOGUE
from engine.models.servers import running, usual
from engine.paths import expanded
from sandbox.errors import UsageError

if TYPE_CHECKING:
    from engine.config import Settings

# The embedded pair, by folder of the training package's weights.
POCKET = {"pocket-worker": "worker", "pocket-meta": "meta"}
LIST_COMMAND = "flowreasoner models"


@dataclass(frozen=True)
class ModelInfo:
    """A model to choose from. `where` is its place for people, such as an endpoint's URL; `note` says what
    keeps it from being used, and is "" where nothing does.
    """

    name: str
    kind: Literal["embedded", "pulled", "checkpoint", "endpoint", "server"]
    where: str
    note: str


class UnknownModelError(ModelError):
    """No model has this name; the message names the nearest ones and the command that lists all."""

    exit_code = UsageError.exit_code

    def __init__(self, name: str, known: list[str], why: str = "") -> None:
        near = _near(name, known, 0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        super().__init__("not-found", f"unknown model {name!r}{why}: {hint}`{LIST_COMMAND}` lists them all")


def open_model(name: str, settings: Settings) -> ChatModel:
    """The model called `name`.

    `name` is `pocket-worker` or `pocket-meta`, a pulled model's, `hf:FOLDER` or `hf:ID` for a Transformers
    model on this machine, `job:ID` or `job:ID@STEP` for a checkpoint of a training job, `ENDPOINT/MODEL`, or
    the bare model name. A bare name means the only usable endpoint that lists it; where none does, the only
    usable endpoint, if it is no name of the catalogue. An endpoint is usable where it has the key that it
    needs. A server at its usual port of this machine is an endpoint, as in `ollama/MODEL`.

    Raises:
        UnknownModelError: there is no such model or endpoint.
        ModelError: it is known but cannot be used here: a key, the weights or PyTorch is missing.
    """
    source = local_source(name, settings)
    if source is not None:
        return _local(name, source)
    endpoints = {**usual(settings), **settings.endpoints}
    endpoint_name, slash, model = name.partition("/")
    if not (slash and model and endpoint_name in endpoints):
        endpoint_name, model = _only_endpoint(name, settings), name
    from engine.models.endpoint import EndpointModel

    return EndpointModel(name, model, endpoint_name, endpoints[endpoint_name])


def local_source(name: str, settings: Settings) -> str | None:
    """The folder or hub ID that Transformers loads for `name`; None for a model of an endpoint.

    Raises:
        ModelError: there is no such folder, job or checkpoint, or this installation lacks the embedded
        weights.
    """
    if name in POCKET:
        return str(pocket_weights(name))
    scheme, _, rest = name.partition(":")
    if scheme == "hf" and rest:
        return _source(name, rest)
    if scheme == JOB and rest:
        return str(check_is_model(name, checkpoint_folder(name, settings.jobs_path())))
    pulled = shelf.folder_of(name, settings.models_path())
    return str(pulled) if pulled is not None else None


def available(settings: Settings) -> list[ModelInfo]:
    """The names that can be typed: the embedded models, those that were pulled, jobs with a checkpoint, then
    each endpoint's listed models.

    An endpoint that lists none appears as `NAME/MODEL`. Nothing is contacted or loaded.
    """
    missing = "" if _has_torch() else "needs pip install 'flowreasoner[local]'"
    infos = []
    for name in POCKET:
        folder = _weights_folder(name)
        has_weights = folder is not None and (folder / "model.safetensors").is_file()
        infos.append(
            ModelInfo(
                name, "embedded", "in this process", missing if has_weights else "its weights are missing"
            )
        )
    where = "on this machine"
    models = settings.models_path()
    infos += [ModelInfo(name, "pulled", where, missing) for name in shelf.pulled_names(models)]
    infos += [
        ModelInfo(job, "checkpoint", where, missing) for job in jobs_with_checkpoints(settings.jobs_path())
    ]
    for name, endpoint in settings.endpoints.items():
        note = endpoint.key_problem(name)
        infos += [
            ModelInfo(f"{name}/{model}", "endpoint", endpoint.base_url, note)
            for model in endpoint.models or ["MODEL"]
        ]
    return infos


def found_servers(settings: Settings) -> list[ModelInfo]:
    """The models of servers that answer on this machine now (`engine.models.servers`)."""
    return [
        ModelInfo(f"{name}/{model}", "server", endpoint.base_url, "")
        for name, endpoint in running(settings).items()
        for model in endpoint.models
    ]


def pocket_weights(name: str) -> Path:
    """The folder of an embedded model's weights.

    Raises:
        ModelError: this installation has no such weights.
    """
    folder = _weights_folder(name)
    if folder is None or not (folder / "model.safetensors").is_file():
        raise ModelError("not-found", f"the weights of {name} are missing: reinstall flowreasoner")
    return folder


def _weights_folder(name: str) -> Path | None:
    # The weights are data beside the training package; finding its folder does not import it.
    spec = importlib.util.find_spec("training")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "pocket" / "weights" / POCKET[name]


def _source(name: str, source: str) -> str:
    """The folder or hub ID that `hf:…` names.

    Raises:
        ModelError: it is a path, and there is no model.
    """
    try:
        path = expanded(source)
    except UsageError as error:
        raise ModelError("not-found", f"{name}: {error}") from None
    is_id = source.count("/") <= 1 and not source.startswith((".", "/", "~")) and not source.endswith("/")
    if is_id and not path.exists():
        return source
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "does not exist"
        raise ModelError("not-found", f"{name}: {path} {what}: name the folder of a model, or a hub ID")
    if not (check_is_model(name, path) / "config.json").is_file():
        raise ModelError(
            "not-found", f"{name}: the folder {path} holds no model (no config.json): name another"
        )
    return str(path)


def _local(name: str, source: str) -> ChatModel:
    if not _has_torch():
        raise ModelError("not-found", f"{name} runs on this machine: pip install 'flowreasoner[local]'")
    if name in POCKET:  # so small that a process of its own would cost more than it brings
        from engine.models.local import LocalModel

        return LocalModel(name, source, device="cpu")
    from engine.models.process import ProcessModel

    return ProcessModel(name, source)


def _has_torch() -> bool:
    return all(importlib.util.find_spec(package) is not None for package in ("torch", "transformers"))


def _only_endpoint(name: str, settings: Settings) -> str:
    """The endpoint that a name without one means. Raises UnknownModelError where it may mean several, or
    none.
    """
    entry = CATALOGUE.get(name)
    usable = [e for e, values in settings.endpoints.items() if not values.key_problem(e)]
    listing = [e for e in usable if name in settings.endpoints[e].models]
    if entry is not None and not listing:
        raise ModelError(
            "not-found",
            f"{name} is not on this machine: `flowreasoner models pull {name}` ({entry.gigabytes:g} GB)",
        )
    candidates = listing or usable
    # A bare word near an embedded name is a slip, not a model of some endpoint.
    bare = "/" not in name and ":" not in name and not _near(name, list(POCKET), 0.7)
    if bare and len(candidates) == 1:
        return candidates[0]
    names = [*(info.name for info in available(settings)), *CATALOGUE]
    if bare and candidates:
        raise UnknownModelError(name, names, f" without an endpoint, as in {candidates[0]}/{name}")
    raise UnknownModelError(name, names)


def _near(name: str, known: list[str], cutoff: float) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, known, n=3, cutoff=cutoff)
