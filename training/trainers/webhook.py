"""Alerts told to an address of the user's, beside the run and never in its way."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

_PATIENCE_S = 10.0  # with one request
_LAST_S = 5.0  # for what is still to be told when the run has ended
_MOST = 100  # that wait; a server that hangs costs alerts, not memory


class Webhook:
    """POSTs each alert as one JSON object: `job`, `host`, `attempt`, `time` (Unix seconds), `name`, `text`.

    A thread sends them in order. What cannot be told is said once, in the log; the address is not in it but
    for its host, because such addresses hold secrets.
    """

    def __init__(self, url: str, job: str) -> None:
        self._url, self._job, self._has_failed = url, job, False
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST)
        self._thread = threading.Thread(target=self._send_all, name="webhook", daemon=True)
        self._thread.start()

    def post(self, alert: Mapping[str, Any]) -> None:
        """Have an alert told; returns at once."""
        told = {name: alert.get(name) for name in ("attempt", "time", "name", "text")}
        try:
            self._waiting.put_nowait({"job": self._job, "host": socket.gethostname(), **told})
        except queue.Full:
            self._fail("it takes too long")

    def close(self) -> None:
        """Wait a little for what is still to be told."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
            self._thread.join(_LAST_S)

    def _send_all(self) -> None:
        while (alert := self._waiting.get()) is not None:
            body = json.dumps(alert).encode()
            try:
                request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=_PATIENCE_S):
                    pass
            except urllib.error.HTTPError as error:
                self._fail(f"it answers {error.code}")
            except (OSError, ValueError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", error)
                self._fail(getattr(reason, "strerror", None) or type(reason).__name__)

    def _fail(self, why: str) -> None:
        if not self._has_failed:
            self._has_failed = True
            host = urlsplit(self._url).hostname
            sys.stderr.write(f"alert_webhook: {host} is not told of alerts ({why}); see the settings\n")


@contextlib.contextmanager
def webhook(url: str | None, job: str) -> Iterator[Webhook | None]:
    """The webhook of the settings, closed in the end; None where they name none."""
    if url is None:
        yield None
        return
    hook = Webhook(url, job)
    try:
        yield hook
    finally:
        hook.close()
