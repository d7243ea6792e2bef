"""What surrounds an endpoint: its address, proxies, certificates and its key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import ConfigError, Endpoint, load
from engine.models.base import ModelError
from engine.models.endpoint import EndpointModel
from tests.support.bench import Bench, bench
from tests.support.openai_server import OpenAIServer, answer
from tests.support.socks_proxy import socks_proxy

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (*VARIABLES, *map(str.lower, VARIABLES)):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.upper().startswith("FLOWREASONER_")]:
        monkeypatch.delenv(name)
    yield


@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_a_socks_proxy_is_used(monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str) -> None:
    async with socks_proxy() as (proxy, asked), bench(lambda _: answer("through")) as b:
        monkeypatch.setenv(variable, f"{scheme}://{proxy}")
        b.make()
        _, done = await b.ask()
        await b.model.aclose()
    assert done.text == "through"
    assert [f"http://{host}:{port}/v1" for host, port in asked] == [b.server.url]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks4://127.0.0.1:9"),
        ("ALL_PROXY", "ftp://127.0.0.1:9"),
        ("ALL_PROXY", "socks5://user:hunter22@127.0.0.1:9"),
        ("http_proxy", "http://user:hunter22@127.0.0.1:9"),
        ("HTTP_PROXY", "127.0.0.1:9"),
        ("HTTP_PROXY", "http://[bad"),
        ("HTTP_PROXY", "http://host:99999"),
        ("HTTP_PROXY", "not a proxy"),
        ("SSL_CERT_FILE", "/no/such/file"),
        ("SSL_CERT_FILE", "/"),
        ("SSL_CERT_FILE", "/etc/hostname"),
    ],
)
async def test_an_environment_that_cannot_be_used_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    async with bench(lambda _: answer("x"), max_retries=1) as b:
        with pytest.raises(ModelError) as caught:
            await b.ask()
    assert caught.value.kind == "connection"
    assert variable in str(caught.value)
    assert "hunter22" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert b.server.requests == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NO_PROXY", "[::1"),
        ("NO_PROXY", "*.a:b"),
        ("SSL_CERT_DIR", "/no/such/folder"),
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ("ALL_PROXY", ""),
    ],
)
async def test_what_does_not_matter_here_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    async with bench(lambda _: answer("x")) as b:
        _, done = await b.ask()
    assert done.text == "x"


async def test_no_proxy_is_heeded_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with bench(lambda _: answer("x")) as b:
        _, done = await b.ask()
    assert done.text == "x"
    b.make(base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(ModelError, match="is the server running and the base_url right"):
        await b.ask()


@pytest.mark.parametrize("query", ["api-version=2024-10-21", "api-version=preview&deployment=a%20b"])
async def test_a_query_in_the_address_is_sent_with_every_request(query: str) -> None:
    async with OpenAIServer(lambda _: answer("x")) as server:
        b = Bench(server)
        b.make(base_url=f"{server.url}/?{query}")
        await b.ask()
        await b.ask()
        await b.model.aclose()
    assert server.targets == [f"/v1/chat/completions?{query.replace('%20', '+')}"] * 2
    assert server.headers[0]["api-key"] == "sk-very-secret"  # where Azure looks for it


async def test_the_query_is_not_told() -> None:
    async with OpenAIServer(lambda _: answer("x")) as server:
        b = Bench(server)
    b.make(base_url=f"{server.url}?tenant=internal", max_retries=0)
    with pytest.raises(ModelError) as caught:
        await b.ask()
    assert "internal" not in str(caught.value)


async def test_ipv6() -> None:
    try:
        server = await OpenAIServer(lambda _: answer("x"), "::1").__aenter__()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    b = Bench(server)
    b.make()
    _, done = await b.ask()
    await b.model.aclose()
    await server.__aexit__()
    assert (done.text, "[::1]" in server.url) == ("x", True)


@pytest.mark.parametrize("port", ["99999", "abc", "-1", "80:80", "8o"])
def test_a_port_that_is_none_is_told_when_the_model_is_opened(port: str) -> None:
    with pytest.raises(ModelError, match="'e': its base_url") as caught:
        EndpointModel("e/m", "m", "e", Endpoint(base_url=f"http://localhost:{port}/v1"))
    assert caught.value.kind == "connection"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://[::1/v1", "must be a URL"),
        ("http://::1:80/v1", "must be a URL"),
        ("localhost:8000/v1", "must be a URL"),
        ("http:///v1", "must be a URL"),
        ("http://x/v1?key=abc", "must not hold a key, as key"),
        ("http://x/v1?api_key=abc", "must not hold a key, as api_key"),
        ("http://x/v1?v=1&access_token=abc", "must not hold a key, as access_token"),
        ("http://x/v1?code=abc", "must not hold a key, as code"),
        ("http://x/v1?sig=abc", "must not hold a key, as sig"),
    ],
)
def test_addresses_that_are_refused(tmp_path: Path, url: str, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[endpoints.e]\nbase_url = "{url}"')
    with pytest.raises(ConfigError, match=words) as caught:
        load(path)
    assert "endpoints.e.base_url" in str(caught.value)


ENDS = ["\n", "\r\n", " ", "\t", "\u00a0", "\ufeff", "\u200b"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("where", ["before", "after", "both"])
async def test_blank_ends_are_no_part_of_a_key(monkeypatch: pytest.MonkeyPatch, end: str, where: str) -> None:
    key = (end if where != "after" else "") + "sk-pasted-key" + (end if where != "before" else "")
    monkeypatch.setenv("PASTED_KEY", key)
    async with bench(lambda _: answer("x"), api_key=None, api_key_env="PASTED_KEY") as b:
        await b.ask()
    assert b.server.headers[0]["authorization"] == "Bearer sk-pasted-key"


BAD = {
    "sk-12345\n6789": "a line break (character 9 of 13)",
    "sk-12345\r\n6789": "a line break (character 9 of 14)",
    "sk-12345\t6789": "a tab (character 9 of 13)",
    "sk-12345\x006789": "a control character (character 9 of 13)",
    "sk-12345\x1b[0m6789": "a control character (character 9 of 16)",
    "sk-12345\x7f6789": "a control character (character 9 of 13)",
    "sk-12345é6789": "a character that is not ASCII (character 9 of 13)",
    "sk-12345\u20136789": "a character that is not ASCII",
    "sk-12345\u00a06789": "a character that is not ASCII",
    "sk-12345\u200b6789": "a character that is not ASCII",
    "sk-12345\udcff6789": "a character that is not ASCII",
    "ключ-12345": "a character that is not ASCII (character 1 of 10)",
}


@pytest.mark.parametrize(("key", "what"), BAD.items())
def test_a_key_that_cannot_be_sent_is_refused_by_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, key: str, what: str
) -> None:
    settings = [("endpoints.e.api_key", Endpoint(base_url="http://x/v1", api_key=key))]  # type: ignore[arg-type]
    if "\0" not in key:
        monkeypatch.setenv("BAD_KEY", key)
        settings.append(("BAD_KEY", Endpoint(base_url="http://x/v1", api_key_env="BAD_KEY")))
    for setting, endpoint in settings:
        with pytest.raises(ModelError) as caught:
            EndpointModel("e/m", "m", "e", endpoint)
        sentence = str(caught.value)
        assert setting in sentence
        assert what in sentence
        assert "12345" not in sentence
        assert "6789" not in sentence
        assert endpoint.key() is None


@pytest.mark.parametrize("value", [r"org\nx", r"org\u00e9"])
def test_an_organization_that_cannot_be_sent(tmp_path: Path, value: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[endpoints.e]\nbase_url = "http://x"\norganization = "{value}"')
    with pytest.raises(ConfigError, match=r"endpoints\.e\.organization: holds"):
        load(path)


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_key_is_none(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    monkeypatch.setenv("BLANK_KEY", blank)
    with pytest.raises(ModelError, match="BLANK_KEY is not set"):
        EndpointModel("e/m", "m", "e", Endpoint(base_url="http://x/v1", api_key_env="BLANK_KEY"))
