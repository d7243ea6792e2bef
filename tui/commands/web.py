"""The command that serves the workbench to a browser."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this machine's loopback; 0 takes any free one.")
    ] = 8000,
    token: Annotated[
        str | None,
        typer.Option(help="Token the address must contain; random by default. Other users can see options."),
    ] = None,
) -> None:
    """Serve the workbench to a browser on this machine, at a secret address that it prints.

    From another machine: ssh -L 8000:127.0.0.1:8000 HOST, then open the address there.
    """
    from tui.sharing.serve import serve as run_server

    run_server(port, token)
