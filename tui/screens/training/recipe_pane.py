"""What a job was told to do: how its recipe differs from its parent's, and all of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical

from sandbox.errors import ExpectedError
from tui.widgets.text_view import TextView

_MOST = 1 << 20


class RecipePane(Vertical):
    """The text of recipe.toml."""

    def compose(self) -> ComposeResult:
        yield TextView(id="recipe", empty="This job has no recipe.")

    def on_mount(self) -> None:
        self.query_one("#recipe").border_title = "Recipe"

    async def load(self, run_dir: Path, parent: Path | None) -> None:
        """Read the recipe, and the parent's where there is one."""
        self.query_one("#recipe", TextView).show(await asyncio.to_thread(_read, run_dir, parent))


def _read(run_dir: Path, parent: Path | None) -> str:
    from tui.service.jobs.launch import differences

    try:
        text = (run_dir / "recipe.toml").read_bytes()[:_MOST].decode("utf-8", "replace")
    except OSError:
        return ""
    if parent is None:
        return text
    head = f"# Changed from {parent.name}:"
    try:
        changes = differences(parent / "recipe.toml", run_dir / "recipe.toml")
    except ExpectedError as error:
        return f"# The changes from {parent.name} are not known: {error}\n\n{text}"
    lines = [f"#   {key}: {before} → {after}" for key, before, after in changes] or ["#   nothing"]
    return "\n".join([head, *lines, "", text])
