"""The client of an endpoint: its address, its key, and the environment's proxies and certificates."""

from __future__ import annotations

import os
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit
from urllib.request import proxy_bypass

from engine.models.base import ModelError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from engine.config import Endpoint

CONNECT_S = 10.0
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def address(base_url: str) -> str:
    """The URL without its query and fragment. Raises ValueError where it or its port is not valid."""
    parts = urlsplit(base_url)
    _ = parts.port  # reading it checks it
    return parts._replace(query="", fragment="").geturl().rstrip("/")


def is_here(base_url: str) -> bool:
    """Whether the URL is that of a server on this machine."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False


def connect(name: str, endpoint: Endpoint) -> AsyncOpenAI:
    """A client for the endpoint that goes by `name`. Opens no connection.

    Raises:
        ModelError: the address, or a proxy or certificates of the environment cannot be used. The message
        names
            the setting but not its value, which may hold a password; paths are named.
    """
    import httpx2
    import openai

    query = dict(parse_qsl(urlsplit(endpoint.base_url).query))
    key = endpoint.key()
    # Azure's older addresses, which carry a version, want the key in a header of their own.
    headers = {"api-key": key} if key and "api-version" in query else {}
    timeout = openai.Timeout(endpoint.timeout_s, connect=min(CONNECT_S, endpoint.timeout_s))
    try:
        # Made here: where it cannot be made, the SDK's clean-up would fail too and hide the reason.
        http_client = openai.DefaultAsyncHttpxClient(timeout=timeout)
        client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=address(endpoint.base_url),
            max_retries=0,
            default_query=query,
            default_headers=headers,
            timeout=timeout,
            http_client=http_client,
        )
    except (openai.OpenAIError, httpx2.InvalidURL, ImportError, ValueError, OSError) as error:
        raise ModelError("connection", f"endpoint {name!r} cannot be opened: {_culprit(error)}") from None
    # The SDK fills these in from OPENAI_* variables, which are not meant for every endpoint.
    client.organization, client.project = endpoint.organization, None
    return client


def proxy_variable(base_url: str) -> str | None:
    """The environment variable that names the proxy for `base_url`; None where there is no proxy."""
    url = urlsplit(base_url)
    if proxy_bypass(url.hostname or ""):
        return None
    variables = (f"{url.scheme}_proxy", "all_proxy")
    names = (name for lower in variables for name in (lower, lower.upper()) if os.environ.get(name))
    return next(names, None)


def _culprit(error: Exception) -> str:
    """Which setting keeps the client from being made, and what to do about it."""
    import httpx2

    for name in _CERTIFICATES:
        path = os.environ.get(name)
        if path and isinstance(error, OSError):
            why = error.strerror or str(error) or type(error).__name__
            return f"{name} is {path}, where no certificates can be read ({why}): correct or unset it"
    for variable in (name for upper in _PROXIES for name in (upper.lower(), upper)):
        if not (value := os.environ.get(variable)):
            continue
        try:
            proxy = httpx2.Proxy(value if "://" in value else f"http://{value}")
        except (httpx2.InvalidURL, ValueError):
            return f"{variable} is not the address of a proxy: correct or unset it"
        if proxy.url.scheme.startswith("socks") and isinstance(error, ImportError):
            return f"{variable} names a SOCKS proxy: pip install socksio, or unset it"
    if isinstance(error, httpx2.InvalidURL) and os.environ.get("NO_PROXY", os.environ.get("no_proxy")):
        return f"NO_PROXY or its base_url is wrong ({error}): correct it"
    return f"{error}: check its base_url"
