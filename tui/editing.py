"""Lending the terminal to the user's editor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

from sandbox.errors import UsageError
from tui import output
from tui.safe import one_line


async def edit_text(app: App[Any], text: str, suffix: str) -> str | None:
    """What the user's editor made of `text`; None, once the user is told why, where nothing could be edited.

    `suffix` is the file's, such as ".py", so that the editor knows the language.
    """
    try:
        command = output.editor_command()
    except UsageError as error:
        app.notify(one_line(str(error), 300), severity="error")
        return None
    if not command:
        app.notify("Set $EDITOR to open texts in your editor.", severity="warning")
        return None
    path = await asyncio.to_thread(output.editor_file, text, suffix)
    try:
        # The loop keeps turning, so that what is watched goes on; only painting is held back.
        with app.suspend(), app.batch_update():
            process = await asyncio.create_subprocess_exec(*command, str(path))
            await process.wait()
        return await asyncio.to_thread(_take, path)
    except SuspendNotSupported:
        app.notify(f"This terminal cannot open an editor; the text is in {path}")
    except (OSError, UnicodeDecodeError) as error:
        app.notify(f"{command[0]}: {error}", severity="error")
    finally:
        app.refresh(layout=True)
    return None


def _take(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    path.unlink(missing_ok=True)
    return text
