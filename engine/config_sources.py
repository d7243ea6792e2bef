"""What the user has set, as the environment and the config file have it, unchecked.

`engine.config` checks it all, which takes a fifth of a second in a fresh process. The little that is needed
sooner, such as where the store is and in which colours the first screen is drawn, is read here.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from engine.paths import expanded
from sandbox.errors import ExpectedError, UsageError

APP = "flowreasoner"
ENV_PREFIX = "FLOWREASONER_"


class ConfigError(ExpectedError):
    """The configuration cannot be used. The message names the place, the key and the remedy."""

    exit_code = UsageError.exit_code


def config_path() -> Path:
    """The default path of the config file; it need not exist."""
    return platformdirs.user_config_path(APP) / "config.toml"


def read_file(path: Path) -> dict[str, Any]:
    """The tables of the config file, {} where there is none.

    Raises ConfigError where it cannot be read, is not TOML, or holds a key that others may read.
    """
    try:
        with path.open("rb") as file:
            raw, mode = file.read(), os.fstat(file.fileno()).st_mode
        data = tomllib.loads(raw.decode("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): make it a file you may read") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8: save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply to be a config file") from None
    if mode & 0o077 and _holds_key(data):
        raise ConfigError(f"{path}: holds an api_key and others may read it: run `chmod 600 {path}`")
    return data


def stated(*names: str) -> dict[str, str]:
    """What is set for those of these settings that are texts: the environment's, else the file's.

    One that is no text is left out, for `engine.config.load` to complain of. Raises ConfigError as
    `read_file` does.
    """
    found = {name: value for name, value in read_file(config_path()).items() if isinstance(value, str)}
    variables = {name.upper(): value for name, value in os.environ.items()}
    for name in names:
        if (value := variables.get(f"{ENV_PREFIX}{name}".upper())) is not None:
            found[name] = value
    return {name: found[name] for name in names if name in found}


def store_at(stated_path: Path | str | None) -> Path:
    """The path of the store, as it is set or by default; it need not exist.

    Raises UsageError where it begins with the home folder of a user nobody knows.
    """
    return expanded(platformdirs.user_data_path(APP) / "store.db" if stated_path is None else stated_path)


def _holds_key(data: Mapping[str, Any]) -> bool:
    endpoints = data.get("endpoints")
    entries = endpoints.values() if isinstance(endpoints, dict) else ()
    return any(isinstance(entry, dict) and "api_key" in entry for entry in entries)
