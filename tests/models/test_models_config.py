"""Settings: precedence, one-sentence errors, and keys that stay secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import config, config_sources
from engine.config import ConfigError, Isolation, Settings, load, show
from engine.reference.config import reference
from sandbox.errors import ExpectedError

KEY = "sk-very-secret"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.upper().startswith("FLOWREASONER_")]:
        monkeypatch.delenv(name)


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_defaults_need_no_file(tmp_path: Path) -> None:
    loaded = load(tmp_path / "none.toml")
    assert (loaded.meta_agent, loaded.worker, loaded.variant) == (
        "pocket-meta",
        "pocket-worker",
        "flowreasoner",
    )
    assert loaded.endpoints["openai"].api_key_env == "OPENAI_API_KEY"
    assert loaded.store_path().name == "store.db"


def test_environment_over_file_over_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, 'worker = "file"\nmeta_agent = "file"\n[budget]\nsteps = 7\ntokens = 8')
    monkeypatch.setenv("FLOWREASONER_WORKER", "env")
    monkeypatch.setenv("FLOWREASONER_BUDGET__STEPS", "9")
    loaded = load(path)
    assert (loaded.worker, loaded.meta_agent, loaded.variant) == ("env", "file", "flowreasoner")
    assert (loaded.budget.steps, loaded.budget.tokens) == (9, 8)


def test_local_vllm_by_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWREASONER_ENDPOINTS__LOCAL__BASE_URL", "http://localhost:8000/v1/")
    loaded = load(tmp_path / "none.toml")
    assert loaded.endpoints["local"].base_url == "http://localhost:8000/v1"
    assert set(loaded.endpoints) == {"openai", "local"}


def test_the_sandbox_is_a_word_or_a_table_and_variables_refine_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(tmp_path / "none.toml").sandbox == Isolation()
    path = write(tmp_path, 'sandbox = "docker"')
    assert load(path).sandbox == Isolation(backend="docker")
    monkeypatch.setenv("FLOWREASONER_SANDBOX__RUNTIME", "runsc")
    assert load(path).sandbox == Isolation(backend="docker", runtime="runsc")
    monkeypatch.setenv("FLOWREASONER_SANDBOX", "auto")
    assert load(path).sandbox == Isolation(backend="auto", runtime="runsc")
    monkeypatch.delenv("FLOWREASONER_SANDBOX__RUNTIME")
    assert load(write(tmp_path, '[sandbox]\nruntime = "kata"')).sandbox == Isolation(runtime="kata")


def test_the_store_alone_is_found_as_all_settings_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.toml"
    monkeypatch.setattr(config_sources, "config_path", lambda: path)
    assert set(config_sources.NAMES) == set(Settings.model_fields)
    assert config_sources.store_path() == load(path).store_path()
    texts = (
        "",
        'store = "~/in-file.db"',
        'theme = "t"\nsandbox = "docker"\n[endpoints.a]\nbase_url = "http://h"',
    )
    for text in texts:
        for variables in ({}, {"FLOWREASONER_STORE": "/v.db"}, {"flowreasoner_store": "/w.db"}):
            with monkeypatch.context() as changed:
                for name, value in variables.items():
                    changed.setenv(name, value)
                write(tmp_path, text)
                assert config_sources.store_path() == load(path).store_path()


@pytest.mark.parametrize("text", ["store = 3", 'stoer = "x"', "store = ", 'store = "~nobody-of-this-name/x"'])
def test_a_store_that_is_set_wrongly_is_never_taken_for_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = write(tmp_path, text)
    monkeypatch.setattr(config_sources, "config_path", lambda: path)
    with pytest.raises(ExpectedError):
        config_sources.store_path()
    write(tmp_path, "")
    monkeypatch.setenv("FLOWREASONER_STOER", "x")
    with pytest.raises(ConfigError, match=r"FLOWREASONER_STOER.*did you mean 'store'"):
        config_sources.store_path()


def test_what_else_is_set_wrongly_does_not_keep_anybody_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, f'store = "{tmp_path}/s.db"\n[budget]\nsteps = -1')
    monkeypatch.setattr(config_sources, "config_path", lambda: path)
    assert config_sources.store_path() == tmp_path / "s.db"
    with pytest.raises(ConfigError, match=r"budget\.steps"):
        load(path)


def test_partial_entry_refines_the_built_in_endpoint(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, "[endpoints.openai]\ntimeout_s = 5"))
    assert loaded.endpoints["openai"].timeout_s == 5
    assert loaded.endpoints["openai"].base_url.startswith("https://api.openai.com")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('workr = "x"', ["config.toml", "'workr'", "did you mean 'worker'"]),
        ('sandbox = "lxc"', ["config.toml", "sandbox", "'docker' or 'bwrap'"]),
        ('[sandbox]\nruntme = "runsc"', ["'sandbox.runtme'", "did you mean 'runtime'"]),
        ('[sandbox]\nruntime = "../x"', ["sandbox.runtime"]),
        ('[sandbox]\nbackend = "bwrap"\nruntime = "runsc"', ["sandbox", "leave one of them out"]),
        ("[endpoints.openai]\ntimeout_s = -1", ["endpoints.openai.timeout_s", "greater than 0"]),
        ('[endpoints.l]\nbase_ul = "http://x"', ["'endpoints.l.base_ul'", "did you mean 'base_url'"]),
        ('[endpoints.l]\nmodels = ["m"]', ["endpoints.l.base_url is missing"]),
        ('[endpoints.l]\nbase_url = "ftp://x"', ["must be a URL"]),
        ('[endpoints.l]\nbase_url = "http://u:p@x"', ["must not hold a user or password"]),
        ('[endpoints."a/b"]\nbase_url = "http://x"', ["endpoint name 'a/b'"]),
        ("endpoints = 3", ["endpoints"]),
        ("budget = 3", ["budget"]),
        ("[budget]\nstep = 3", ["did you mean 'steps'"]),
        ("a = [", ["not valid TOML"]),
    ],
)
def test_faults_of_the_file_are_one_sentence(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path) in message
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("FLOWREASONER_WORKR", "x", "did you mean 'worker'"),
        ("FLOWREASONER_BUDGET__STEPS", "many", "budget.steps"),
        ("FLOWREASONER_BUDGET", "{", "budget"),
        ("FLOWREASONER_ENDPOINTS__L__BASE_UL", "http://x", "did you mean 'base_url'"),
        ("FLOWREASONER_ENDPOINTS__L__MODELS", '["m"]', "endpoints.l.base_url is missing"),
    ],
)
def test_faults_of_the_environment_name_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match="environment") as caught:
        load(tmp_path / "none.toml")
    assert words in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b'worker = "\xff"')
    for path, words in ((tmp_path, "cannot be read"), (tmp_path / "bytes.toml", "UTF-8")):
        with pytest.raises(ConfigError, match=words):
            load(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_exposed_key_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, f'[endpoints.openai]\napi_key = "{KEY}"', mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}") as caught:
        load(path)
    assert KEY not in str(caught.value)


def test_keys_are_never_shown(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, f'[endpoints.openai]\napi_key = "{KEY}"'))
    assert loaded.endpoints["openai"].key() == KEY
    for text in (repr(loaded), str(loaded), loaded.model_dump_json(), json.dumps(show(loaded))):
        assert KEY not in text
    assert show(loaded)["endpoints"]["openai"]["api_key"] == "set, not shown"
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, f'[endpoints.openai]\napi_key = ["{KEY}"]'))
    assert KEY not in str(caught.value)


def test_key_comes_from_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    endpoint = config.Endpoint(base_url="http://x", api_key_env="MY_KEY")
    assert endpoint.key() == KEY
    assert KEY not in repr(endpoint)


def test_reference_has_every_setting_and_its_meaning() -> None:
    rows = [row for row in reference().splitlines()[2:] if row]
    leaves = [
        name for name in Settings.model_fields if name not in ("budget", "endpoints", "hosts", "sandbox")
    ]
    for name in [
        *leaves,
        "sandbox.runtime",
        "budget.steps",
        "endpoints.NAME.base_url",
        "endpoints.NAME.quirks.MODEL.system",
        "hosts.NAME.address",
    ]:
        assert any(row.startswith(f"| `{name}` |") for row in rows), name
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 5, row
        assert all(cells), row


VALUES = st.recursive(
    st.one_of(st.integers(-5, 5), st.booleans(), st.text(max_size=8), st.floats(allow_nan=False)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["openai", "l", "base_url", "api_key", "quirks", "drop"]), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*Settings.model_fields, "other"]), VALUES, max_size=3))
def test_any_file_gives_settings_or_one_sentence(tmp_path: Path, data: dict[str, object]) -> None:
    # Every JSON object with string keys can be written as inline TOML.
    text = "\n".join(f"{json.dumps(key)} = {_toml(value)}" for key, value in data.items())
    try:
        loaded = load(write(tmp_path, text))
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(loaded, Settings)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=True) if value.isascii() and value.isprintable() else '""'
    return (
        {float("inf"): "inf", float("-inf"): "-inf"}.get(value, json.dumps(value))
        if isinstance(value, float)
        else json.dumps(value)
    )
