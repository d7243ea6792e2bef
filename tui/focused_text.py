"""The text of the focused pane, taken off the screen: into the clipboard, a file or an editor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tui import output
from tui.editing import edit_text
from tui.widgets.line_view import LineView

if TYPE_CHECKING:
    from tui.app import WorkbenchApp


async def copy(app: WorkbenchApp) -> None:
    """Copy what is selected, else all of the pane; what no terminal would take is written to a file."""
    selected = app.screen.get_selected_text()
    text, name = (selected, "selection") if selected else _focused(app)
    if text and output.fits_clipboard(text):
        app.copy_to_clipboard(text)
        app.notify(f"Copied {len(text):,} characters.")
    elif text:
        path = await _write(app, name, text)
        app.notify(f"{len(text):,} characters are too long for a terminal's clipboard; wrote {path}")


async def export(app: WorkbenchApp) -> None:
    """Write all of the pane to a file."""
    text, name = _focused(app)
    if text:
        app.notify(f"Wrote {await _write(app, name, text)}")


async def edit(app: WorkbenchApp) -> None:
    """Open all of the pane in the user's editor."""
    text, _ = _focused(app)
    if text:
        await edit_text(app, text, ".py" if "def " in text[:4000] else ".txt")


def _focused(app: WorkbenchApp) -> tuple[str, str]:
    """The whole text of what is focused, and a name for it; empty text after telling why."""
    widget = app.screen.focused
    text = widget.plain_text if isinstance(widget, LineView) else ""
    if not text:
        app.notify("There is no text here; focus a pane with text first.")
    return text, f"{app.screen.name}-{widget.id if widget else ''}"


async def _write(app: WorkbenchApp, name: str, text: str) -> str:
    folder = app.workbench.store_path.parent / "exports"
    try:
        return str(await asyncio.to_thread(output.export, folder, name, text))
    except OSError as error:
        return f"nothing: {error.strerror or error}"
