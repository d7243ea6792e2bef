"""The reference of commands for the docs, from their own help texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
import typer.core
import typer.main


def reference() -> str:
    """Every command's `--help`, in a code block each."""
    from tui.cli import app

    root = typer.main.get_command(app)
    return "\n\n".join(_sections(root, "flowreasoner", None)) + "\n"


def _sections(command: Any, name: str, parent: typer.Context | None) -> Iterator[str]:
    context = typer.Context(command, info_name=name.rpartition(" ")[2], parent=parent, terminal_width=100)
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## {name}\n\n```\n{text}\n```"
    if isinstance(command, typer.core.TyperGroup):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            yield from _sections(child, f"{name} {child_name}", context)
