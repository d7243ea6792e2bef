"""Runs as OpenTelemetry spans, by the semantic conventions for generative AI, to any OTLP endpoint.

A run is a trace: its root span, then rounds and executions, steps, and model calls, each with the times that
were recorded. Ids are derived from the run's, so that exporting again gives the same spans.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.events import Event
from store.exports.files import ExportError
from store.exports.spans import SpanBuilder

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_BATCH_SPANS = 256
_BATCH_CHARS = 2_000_000
_TIMEOUT_S = 10.0
_LOGGERS = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.exporter")


def traces_url(endpoint: str) -> str:
    """Where spans are sent: `/v1/traces` where the endpoint names no path.

    Raises ExportError where it is not an http or https URL, or holds a password.
    """
    wrong = ExportError(f"{endpoint!r} is no endpoint; give a URL such as http://localhost:4318")
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise wrong from None
    if not usable:
        raise wrong
    if parts.username or parts.password:
        raise ExportError("an endpoint holds no password; set OTEL_EXPORTER_OTLP_HEADERS instead")
    return endpoint if parts.path not in ("", "/") else endpoint.rstrip("/") + "/v1/traces"


class OtlpSender:
    """Sends the spans of runs; `spans` counts those sent.

    Every method raises ExportError where the endpoint does not take them, and the constructor where
    `endpoint` is no URL or OpenTelemetry is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        self._url = traces_url(endpoint)
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError:
            raise ExportError(
                "this format needs OpenTelemetry; install it with: pip install 'flowreasoner[otlp]'"
            ) from None
        self._heard = _Heard()
        self._exporter = OTLPSpanExporter(endpoint=self._url, timeout=_TIMEOUT_S)
        self._waiting: list[ReadableSpan] = []
        self._chars = 0
        self.spans = 0

    def send(self, events: Iterable[Event]) -> None:
        """Send one run, given its events in order; its last spans may wait for `close`."""
        builder = SpanBuilder(self._take)
        for event in events:
            builder.add(event)
        builder.close()

    def close(self) -> None:
        """Send the spans that wait, and close the connection."""
        try:
            self._flush()
        finally:
            self._exporter.shutdown()

    def _take(self, span: ReadableSpan) -> None:
        self._waiting.append(span)
        self._chars += sum(len(v) for v in (span.attributes or {}).values() if isinstance(v, str))
        if len(self._waiting) >= _BATCH_SPANS or self._chars >= _BATCH_CHARS:
            self._flush()

    def _flush(self) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        if not self._waiting:
            return
        with self._heard:
            result = self._exporter.export(self._waiting)
        if result is not SpanExportResult.SUCCESS:
            raise ExportError(
                f"{self._url} did not take the spans ({self._heard.reason}); check the endpoint"
            )
        self.spans += len(self._waiting)
        self._waiting, self._chars = [], 0


class _Heard(logging.Handler):
    """What the exporter logs, which is where it says why it failed; kept off the user's terminal."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.reason = "no reason given"

    def emit(self, record: logging.LogRecord) -> None:
        self.reason = " ".join(record.getMessage().split())[:300]

    def __enter__(self) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self)
            logging.getLogger(name).propagate = False

    def __exit__(self, *_: object) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self)
