"""The text of the focused pane, taken off the screen: into the clipboard, a file or an editor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from textual.screen import Screen

from tui import output
from tui.editing import edit_text
from tui.widgets.line_view import LineView


async def copy(screen: Screen[Any], folder: Path) -> None:
    """Copy what is selected, else all of the pane; what no terminal would take becomes a file in `folder`."""
    selected = screen.get_selected_text()
    text, name = (selected, "selection") if selected else _focused(screen)
    if text and output.fits_clipboard(text):
        screen.app.copy_to_clipboard(text)
        screen.notify(f"Copied {len(text):,} characters.")
    elif text:
        path = await _write(folder, name, text)
        screen.notify(f"{len(text):,} characters are too many for a terminal's clipboard; written to {path}")


async def export(screen: Screen[Any], folder: Path) -> None:
    """Write all of the pane to a file in `folder`."""
    text, name = _focused(screen)
    if text:
        screen.notify(f"Wrote {await _write(folder, name, text)}")


async def edit(screen: Screen[Any]) -> None:
    """Open all of the pane in the user's editor."""
    text, _ = _focused(screen)
    if text:
        await edit_text(screen.app, text, ".py" if "def " in text[:4000] else ".txt")


def _focused(screen: Screen[Any]) -> tuple[str, str]:
    """The whole text of what is focused, and a name for it; empty text after telling why."""
    widget = screen.focused
    text = widget.plain_text if isinstance(widget, LineView) else ""
    if not text:
        screen.notify("There is no text here; focus a pane with text first.")
    return text, f"{screen.name}-{widget.id if widget else ''}"


async def _write(folder: Path, name: str, text: str) -> str:
    try:
        return str(await asyncio.to_thread(output.export, folder, name, text))
    except OSError as error:
        return f"nothing: {error.strerror or error}"
