"""Runs and experiments in progress elsewhere, from the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.safe import one_line
from tui.service.engine_process.client import Client, live_experiments, live_runs, standing_from
from tui.service.engine_process.sockets import LiveRunError
from tui.service.errors import EXIT_BY_STATUS, INTERRUPTED, PASSED, UNAVAILABLE, say
from tui.service.records import Records

if TYPE_CHECKING:
    from engine.experiments.standing import Standing

_SHOWN_CHARS = 2_000


def attach(store: Path, name: str | None, *, as_json: bool) -> int:
    """Print a live run from its beginning, or how a live experiment stands, until its end.

    Gives the exit code. Raises LiveRunError and EngineError.
    """
    try:
        return asyncio.run(_attach(store, name, as_json))
    except KeyboardInterrupt:
        return INTERRUPTED


async def _attach(store: Path, name: str | None, as_json: bool) -> int:
    from engine.events import RunFinished
    from tui.headless.run import printer

    path, what, found = await _find(store, name)
    if what == "experiment":
        return await _follow(store, path, found, as_json)
    shown, status = printer(as_json), ""
    records = Records(store)
    try:
        async with Client(path) as client:
            async for event in client.events(found, records):
                shown(event)
                status = event.status if isinstance(event, RunFinished) else status
    finally:
        await records.aclose()
    return EXIT_BY_STATUS.get(status, UNAVAILABLE)


async def _follow(store: Path, path: Path, name: str, as_json: bool) -> int:
    from tui.reports.experiments import print_end
    from tui.reports.progress import follower

    latest: Standing | None = None
    shown = follower(as_json=as_json)
    async with Client(path) as client:
        async for latest in client.progress(name):
            shown(latest)
    assert latest is not None  # an experiment stands somehow
    print_end(store, latest, as_json=as_json)
    return PASSED if latest.end == "done" else INTERRUPTED if latest.end == "cancelled" else UNAVAILABLE


def control(
    store: Path,
    name: str,
    action: str,
    args: dict[str, Any],
    at: list[str],
    value: str | None,
    *,
    as_json: bool,
) -> None:
    """Carry out one action on a live run or experiment and print how it stands.

    Raises LiveRunError and EngineError.
    """
    if action == "break":
        args["breakpoints"] = at
    elif action == "continue" and at:
        args["until"] = at[0]
    elif action in ("edit", "skip"):
        args["value" if action == "edit" else "output"] = _value(action, value)
    state = asyncio.run(_control(store, name, action, args))
    sys.stdout.write(json.dumps(state) + "\n" if as_json else _describe(state))


async def _control(store: Path, name: str, action: str, args: dict[str, Any]) -> dict[str, Any]:
    path, what, found = await _find(store, name)
    async with Client(path) as client:
        return await client.ask(action, **{what: found}, **args)


async def _find(store: Path, name: str | None) -> tuple[Path, str, str]:
    """The engine's socket, "experiment" or "run", and the whole name or id of what is meant."""
    runs = await live_runs(store)
    known = await live_experiments(store, say)
    experiments = [(path, s.experiment) for path, s in known if s.status != "ended"]
    # Of an experiment, it is meant itself: its trials only by their ids.
    alone = [(path, state["run"]) for path, state in runs if name or not state["experiment"]]
    meant: list[tuple[Path, str, str]]
    if name == "last":
        meant = [(path, "run", run_id) for path, run_id in sorted(alone, key=lambda pair: pair[1])[-1:]]
    else:
        meant = [(path, "experiment", known) for path, known in experiments if name in (None, known)]
        if not meant or name is None:
            meant += [(path, "run", run_id) for path, run_id in alone if run_id.startswith(name or "")]
    if len(meant) == 1:
        return meant[0]
    running = ", ".join([known for _, known in experiments] + [state["run"] for _, state in runs][:5])
    if not running:
        raise LiveRunError(
            "no run and no experiment is in progress on this store;"
            " see past ones with `flowreasoner runs` and `flowreasoner experiments`"
        )
    if not meant:
        raise LiveRunError(
            f"nothing in progress is a run whose id begins with {name!r}, or an experiment of that name;"
            f" in progress: {running}"
        )
    raise LiveRunError(f"several match ({running}); give a name, or more of the id")


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
    """How a run or an experiment stands, in lines."""
    if "run" not in state:
        from tui.reports.progress import described

        return "\n".join(described(standing_from(state))) + "\n"
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
