"""The reference of commands for the docs, from their own help texts."""

from __future__ import annotations

from collections.abc import Iterator

import click
import typer.main


def reference() -> str:
    """Every command's `--help`, in a code block each."""
    from tui.cli import app

    root = typer.main.get_command(app)
    return "\n\n".join(_sections(root, "flowreasoner", None)) + "\n"


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent, terminal_width=100)
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## {name}\n\n```\n{text}\n```"
    for child_name in getattr(command, "commands", {}):
        yield from _sections(command.commands[child_name], f"{name} {child_name}", context)  # type: ignore[attr-defined]
