"""What the user has set, as the environment and the config file have it, unchecked.

`engine.config` checks it all, which takes a fifth of a second in a fresh process. The little that is needed
sooner, such as where the store is and in which colours the first screen is drawn, is read here. A name that
is no setting is refused here too, so that a misspelt `store` is never taken for none.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import platformdirs

from engine.paths import expanded
from sandbox.errors import ExpectedError, UsageError

APP = "flowreasoner"
ENV_PREFIX = "FLOWREASONER_"
NAMES = (
    *("meta_agent", "worker", "variant", "sandbox", "docker_hosts", "store", "data", "budget", "theme"),
    *("notices", "keymap", "endpoints", "local_servers", "hosts", "alert_webhook"),
)
"""The fields of `engine.config.Settings`."""
# Variables with that prefix that are not settings: the mark of a job's processes, and the folder of GPU
# locks.
_NOT_SETTINGS = ("job", "gpu_locks")


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
    in_file = read_file(config_path())
    found = {name: in_file.get(name) if (v := _in_environment(name)) is None else v for name in names}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _in_environment(name: str) -> str | None:
    """What a variable sets the setting `name` to; like pydantic-settings, whatever the case of its name."""
    wanted = f"{ENV_PREFIX}{name}".upper()
    return next((value for variable, value in os.environ.items() if variable.upper() == wanted), None)


def refuse_unknown(data: Mapping[str, Any], path: Path) -> None:
    """Raises ConfigError for a variable with our prefix, or a name in the file `path`, that is no setting."""
    for variable in os.environ:
        if not variable.upper().startswith(ENV_PREFIX):
            continue
        key = variable[len(ENV_PREFIX) :].lower().split("__")[0]
        if key not in NAMES and key not in _NOT_SETTINGS:
            raise ConfigError(
                f"{variable} (environment): there is no setting {key!r}{nearest(key, NAMES)}; unset it"
            )
    for key in data:
        if key not in NAMES:
            raise ConfigError(
                f"{path}: there is no setting {key!r}{nearest(key, NAMES)}; remove or rename it"
            )


def nearest(key: str, names: Iterable[str]) -> str:
    """The one of `names` that `key` may be meant for, as the end of a sentence; "" where there is none."""
    import difflib

    near = difflib.get_close_matches(key, list(names), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def store_path() -> Path:
    """The path of the store, for commands that need no other setting; what those are set to is not checked.

    Raises ConfigError where the file cannot be read, a name in it or in the environment is no setting, or
    `store` is no path; UsageError as `store_at` does.
    """
    path = config_path()
    data = read_file(path)
    refuse_unknown(data, path)
    where = _in_environment("store")
    if where is None and not isinstance(where := data.get("store"), str | None):
        raise ConfigError(f"{path}: store: must be a path, in quotes: correct or remove it")
    return store_at(where)


def store_at(stated_path: Path | str | None) -> Path:
    """The path of the store, as it is set or by default; it need not exist.

    Raises UsageError where it begins with the home folder of a user nobody knows.
    """
    return expanded(platformdirs.user_data_path(APP) / "store.db" if stated_path is None else stated_path)


def _holds_key(data: Mapping[str, Any]) -> bool:
    endpoints = data.get("endpoints")
    entries = endpoints.values() if isinstance(endpoints, dict) else ()
    return any(isinstance(entry, dict) and "api_key" in entry for entry in entries)
