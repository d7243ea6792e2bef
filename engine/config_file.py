"""Adding to the user's config file, whose text otherwise stays as it is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.config import ConfigError, config_path, load
from engine.host_config import Host


def check_endpoint(name: str, base_url: str, path: Path | None = None) -> bool:
    """Whether the settings have the endpoint `name` with this address. Raises ConfigError where they have it
    with another one, or cannot be read.
    """
    path = path or config_path()
    endpoint = load(path).endpoints.get(name)
    if endpoint is not None and endpoint.base_url != base_url:
        raise ConfigError(f"{path}: endpoints.{name} is {endpoint.base_url}: choose another name with --name")
    return endpoint is not None


def add_endpoint(name: str, base_url: str, models: Sequence[str], path: Path | None = None) -> None:
    """Add an endpoint at the end of the config file, unless the settings have it. Raises ConfigError where it
    cannot be added; the file is unchanged then.
    """
    path = path or config_path()
    if check_endpoint(name, base_url, path):
        return
    _append(path, f"endpoints.{json.dumps(name)}", {"base_url": base_url, "models": list(models)})


def add_host(name: str, host: Host, path: Path | None = None) -> None:
    """Have the file name a host, at its end. Raises ConfigError: there is one, or it cannot be added."""
    path = path or config_path()
    if name in load(path).hosts:
        raise ConfigError(f"{path}: hosts.{name} is there already: choose another name")
    _append(path, f"hosts.{json.dumps(name)}", host.model_dump(mode="json", exclude_defaults=True))


def _append(path: Path, table: str, values: Mapping[str, Any]) -> None:
    """Add a table. What would make the file one that cannot be read is not added. Raises ConfigError."""
    # Of plain text, JSON's strings and lists are TOML's.
    added = "\n".join([f"[{table}]", *(f"{name} = {json.dumps(v)}" for name, v in values.items()), ""])
    draft: Path | None = None
    try:
        place = path.resolve()  # so that a link stays a link
        place.parent.mkdir(parents=True, exist_ok=True)
        text = place.read_text(encoding="utf-8") if place.exists() else ""
        draft = place.with_name(f".{place.name}.{os.getpid()}.tmp")
        draft.write_text(f"{text.rstrip()}\n\n{added}".lstrip(), encoding="utf-8")
        draft.chmod(place.stat().st_mode & 0o777 if place.exists() else 0o600)
        load(draft)
        draft.replace(place)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); add it yourself: {added}") from None
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
