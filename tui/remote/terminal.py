"""Runs in progress elsewhere, from the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tui.errors import EXIT_BY_STATUS, INTERRUPTED, UNAVAILABLE
from tui.remote.client import Client, live_runs
from tui.safe import one_line

_SHOWN_CHARS = 2_000


class LiveRunError(ValueError):
    """No run in progress, or several, are meant; or a value is not JSON."""


def attach(store: Path, run_id: str | None, *, as_json: bool) -> int:
    """Print a live run from its beginning until its end; gives its exit code.

    Raises LiveRunError and EngineError.
    """
    try:
        return asyncio.run(_attach(store, run_id, as_json))
    except KeyboardInterrupt:
        return INTERRUPTED


async def _attach(store: Path, run_id: str | None, as_json: bool) -> int:
    from engine.events import RunFinished
    from tui.headless import printer

    path, state = await _find(store, run_id)
    shown, status = printer(as_json), ""
    async with Client(path) as client:
        async for event in client.events(state["run"]):
            shown(event)
            status = event.status if isinstance(event, RunFinished) else status
    return EXIT_BY_STATUS.get(status, UNAVAILABLE)


def control(
    store: Path,
    run_id: str,
    action: str,
    args: dict[str, Any],
    at: list[str],
    value: str | None,
    *,
    as_json: bool,
) -> None:
    """Carry out one action on a live run and print how it stands. Raises LiveRunError and EngineError."""
    if action == "break":
        args["breakpoints"] = at
    elif action == "continue" and at:
        args["until"] = at[0]
    elif action in ("edit", "skip"):
        args["value" if action == "edit" else "output"] = _value(action, value)
    state = asyncio.run(_control(store, run_id, action, args))
    sys.stdout.write(json.dumps(state) + "\n" if as_json else _describe(state))


async def _control(store: Path, run_id: str, action: str, args: dict[str, Any]) -> dict[str, Any]:
    path, state = await _find(store, run_id)
    async with Client(path) as client:
        return await client.ask(action, run=state["run"], **args)


async def _find(store: Path, run_id: str | None) -> tuple[Path, dict[str, Any]]:
    found = await live_runs(store)
    meant = [(path, s) for path, s in found if run_id in (None, "last") or s["run"].startswith(run_id or "")]
    if run_id == "last":
        meant = sorted(meant, key=lambda pair: pair[1]["run"])[-1:]
    if len(meant) == 1:
        return meant[0]
    running = ", ".join(state["run"] for _, state in found[:5])
    if not found:
        raise LiveRunError("no run is in progress on this store; see past ones with `flowreasoner runs`")
    if not meant:
        raise LiveRunError(f"no run in progress begins with {run_id!r}; in progress: {running}")
    raise LiveRunError(f"several runs are meant ({running}); give more of the id")


def _value(action: str, text: str | None) -> Any:
    if text is None:
        raise LiveRunError(f"{action} needs --value: JSON, or @FILE that holds it")
    try:
        source = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        return json.loads(source)
    except (OSError, ValueError, RecursionError) as error:
        raise LiveRunError(
            f"--value {one_line(text, 80)}: {error}; write JSON, or @FILE that holds it"
        ) from None


def _describe(state: dict[str, Any]) -> str:
    """How a run stands, in lines."""
    lines = [f"{state['run']}  {state['status']}"]
    if stop := state["stop"]:
        place = " ".join(str(p) for p in (stop["where"], stop["operator"]) if p)
        line = f", line {stop['line']}" if stop["line"] else ""
        lines.append(f"  at       {place}{line} ({stop['reason']})")
        for name in ("value", "error", "locals"):
            if stop[name] not in (None, {}):
                lines.append(
                    f"  {name:<8} {one_line(json.dumps(stop[name], ensure_ascii=False), _SHOWN_CHARS)}"
                )
    lines += [f"  stops    {text}" for text in state["breakpoints"]]
    return "\n".join(lines) + "\n"
