"""Settings: what the user chose, from the environment, the config file and built-in defaults.

Precedence is environment, then file, then default. A wrong value stops the program with one sentence
that says where it was set and what to do. API keys are held as secrets: no repr, dump or message of
this module shows one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from engine.config_sources import (
    ENV_PREFIX,
    ConfigError,
    config_path,
    nearest,
    read_file,
    refuse_unknown,
    store_at,
)
from engine.endpoint_config import STRICT, Endpoint, ModelQuirks, Positive, Seconds
from engine.host_config import Host

OPENAI: dict[str, Any] = {"base_url": "https://api.openai.com/v1", "api_key_env": "OPENAI_API_KEY"}

_FILE_DATA: ContextVar[dict[str, Any] | None] = ContextVar("flowreasoner_config_file", default=None)


class BudgetSettings(BaseModel):
    """What one run may spend at most. Unset means no limit."""

    model_config = STRICT

    model_calls: Positive | None = 200
    """Model calls of one run, the meta-agent's and the workers' together."""
    tokens: Positive | None = 1_000_000
    """Tokens of one run, prompts and answers together."""
    cost_usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = 5.0
    """Known cost of one run in US dollars; calls of unknown price do not count."""
    wall_s: Seconds | None = 1800.0
    """Seconds of one run. Not counted: pauses, and waiting for a turn at a model or in the sandbox, for a
    limit of rate to pass, and for a model on this machine to be loaded or while it works for others."""
    steps: Positive | None = 500
    """Operator steps of one run."""


class Isolation(BaseModel):
    """Where generated code runs."""

    model_config = STRICT

    backend: Literal["auto", "docker", "bwrap"] = "auto"
    """What isolates it; `auto` takes Docker where its daemon answers, else bubblewrap. For this alone
    `sandbox = "docker"` is enough."""
    runtime: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)] | None = None
    """The Docker runtime to use, such as gVisor's `runsc`; without any, the daemon's default."""

    @model_validator(mode="after")
    def _runtimes_are_dockers(self) -> Isolation:
        if self.runtime is not None and self.backend == "bwrap":
            raise ValueError("a runtime is Docker's, and the backend is bwrap: leave one of them out")
        return self


class _Environment(EnvSettingsSource):
    """The environment, with `FLOWREASONER_SANDBOX=docker` understood as it is in the file."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        if field_name == "sandbox":
            return {"backend": value}
        return super().decode_complex_value(field_name, field, value)


class Settings(BaseSettings):
    """All settings. The program gets them by `load()`; calling this class reads the environment and no
    file.
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
    )

    meta_agent: Annotated[str, Field(min_length=1)] = "pocket-meta"
    """The model that writes workflows."""
    worker: Annotated[str, Field(min_length=1)] = "pocket-worker"
    """The model that operators call."""
    variant: Annotated[str, Field(min_length=1)] = "flowreasoner"
    """The way of solving a problem."""
    sandbox: Isolation = Isolation()
    """Where generated code runs."""
    docker_hosts: list[Annotated[str, Field(min_length=1)]] = []
    """Docker hosts that share the work, such as `["unix:///var/run/docker.sock", "tcp://build:2376"]`;
    without any, the host that `DOCKER_HOST` names."""
    store: Path | None = None
    """The database of all runs; unset means `store.db` in the user's data folder."""
    data: Path | None = None
    """Folder with the benchmarks' own data files, such as `HumanEval.jsonl`."""
    budget: BudgetSettings = BudgetSettings()
    """What one run may spend at most."""
    theme: Annotated[str, Field(min_length=1)] = "flowreasoner"
    """The colour theme of the screens."""
    notices: Literal["off", "bell", "desktop"] = "off"
    """What the terminal does once a run of half a minute or more, an experiment or a training job has ended:
    ring its `bell`, or show a notification on the `desktop`."""
    keymap: dict[str, str] = {}
    """Keys of your own, by action: `"run.start" = "f5"`."""
    endpoints: dict[str, Endpoint] = Field(default_factory=dict, validate_default=True)
    """OpenAI-compatible servers by name; `openai` is built in."""
    local_servers: bool = True
    """Whether model servers at their usual ports of this machine (Ollama, llama.cpp, LM Studio, vLLM, SGLang)
    are looked for and can be named."""
    hosts: dict[str, Host] = {}
    """Machines that jobs run on, by name."""
    alert_webhook: Annotated[str, Field(pattern=r"^https?://[^\s/]+")] | None = None
    """An address that is told of each alert of a training job, as one JSON object by POST."""

    @field_validator("sandbox", mode="before")
    @classmethod
    def _sandbox_in_a_word(cls, value: Any) -> Any:
        return {"backend": value} if isinstance(value, str) else value

    @field_validator("endpoints", mode="before")
    @classmethod
    def _with_openai(cls, value: Any) -> Any:
        """The built-in endpoint is always there, and a partial entry of its name refines it."""
        if not isinstance(value, dict):
            return value
        own = value.get("openai", {})
        return {**value, "openai": {**OPENAI, **own} if isinstance(own, dict) else own}

    @model_validator(mode="after")
    def _names_can_be_typed(self) -> Settings:
        for name in self.endpoints:
            if not name or "/" in name or ":" in name or name.startswith("pocket-") or name != name.strip():
                raise ValueError(
                    f"endpoint name {name!r} must not be empty, hold '/' or ':', or start with 'pocket-'"
                )
        for name in self.hosts:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) or name == "local":
                raise ValueError(
                    f"host name {name!r} must be of letters, digits, '.', '_' and '-', and not 'local'"
                )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """pydantic-settings' hook for where values come from: arguments, then the environment, then the
        file.
        """
        return (
            init_settings,
            _Environment(settings_cls),
            InitSettingsSource(settings_cls, init_kwargs=_FILE_DATA.get() or {}),
        )

    def store_path(self) -> Path:
        """The path of the store, as set or by default; it need not exist.

        Raises UsageError where it begins with the home folder of a user nobody knows.
        """
        return store_at(self.store)

    def models_path(self) -> Path:
        """The folder of all pulled models, beside the store; it need not exist."""
        return self.store_path().parent / "models"

    def jobs_path(self) -> Path:
        """The folder of all training jobs, beside the store; it need not exist."""
        return self.store_path().parent / "jobs"


def load(path: Path | None = None) -> Settings:
    """The settings in force: environment over `path` (by default `config_path()`) over defaults.

    Raises:
        ConfigError: the file cannot be read, is not TOML, exposes a key, or a value or name is wrong.
    """
    path = path or config_path()
    data = read_file(path)
    if isinstance(data.get("sandbox"), str):  # as a table, so that variables can refine it
        data["sandbox"] = {"backend": data["sandbox"]}
    refuse_unknown(data, path)
    token = _FILE_DATA.set(data)
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigError(_sentence(error, path)) from None
    except ValueError as error:  # pydantic-settings: a variable that should hold JSON does not
        raise ConfigError(
            f"the environment: {error}; write a value for one key, as in {ENV_PREFIX}WORKER"
        ) from None
    finally:
        _FILE_DATA.reset(token)


def show(settings: Settings) -> dict[str, Any]:
    """The settings as JSON-ready data, for people: a key reads "set, not shown"."""
    data = settings.model_dump(mode="json")
    for endpoint in data["endpoints"].values():
        if endpoint["api_key"] is not None:
            endpoint["api_key"] = "set, not shown"
    return data


def _sentence(error: ValidationError, path: Path) -> str:
    """The first problem as one sentence. It never holds an API key, since pydantic is told to hide inputs."""
    problems = error.errors(include_input=False, include_url=False)
    # A misspelt key is also a missing one: name the misspelling.
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    parts = [str(part) for part in problem["loc"] if part != "[key]"]
    where = _origin(parts[:-1] if problem["type"] == "missing" else parts, path)
    key = ".".join(parts) or "endpoints"
    if problem["type"] == "extra_forbidden":
        return f"{where}: there is no setting {key!r}{_nearest(parts[-1], parts[:-1])}; remove or rename it"
    if problem["type"] == "missing":
        return f"{where}: {key} is missing: add it"
    text = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {key}: {text[:1].lower()}{text[1:]}: correct or remove it"


def _origin(parts: list[str], path: Path) -> str:
    """The environment variable that sets the key `parts`, or a key above or below it; else the file."""
    variable = f"{ENV_PREFIX}{'__'.join(parts)}".upper()
    set_here = {name.upper(): name for name in os.environ}
    for cut in range(len(parts), 0, -1):
        name = f"{ENV_PREFIX}{'__'.join(parts[:cut])}".upper()
        if name in set_here:
            return f"{set_here[name]} (environment)"
    below = [name for upper, name in set_here.items() if upper.startswith(f"{variable}__")]
    in_file: Any = _FILE_DATA.get() or {}
    for part in parts:
        in_file = in_file.get(part) if isinstance(in_file, dict) else None
    return f"{below[0]} (environment)" if below and in_file is None else str(path)


def _nearest(key: str, above: Iterable[str] = ()) -> str:
    level = list(above)
    model: type[BaseModel] = Settings
    if level[:1] == ["endpoints"]:
        model = ModelQuirks if "quirks" in level[2:3] else Endpoint
    elif level[:1] == ["budget"]:
        model = BudgetSettings
    elif level[:1] == ["sandbox"]:
        model = Isolation
    elif level[:1] == ["hosts"]:
        model = Host
    return nearest(key, model.model_fields)
