"""The commands, grouped by subject; each group is a Typer that `tui.cli` puts together."""
