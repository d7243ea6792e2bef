"""The workbench as a page of `serve` runs it: on pipes to its parent, which has a browser draw it."""

from __future__ import annotations


def main() -> None:
    """Open the workbench, whatever standard input and output are."""
    from engine.config import load
    from tui.app import WorkbenchApp
    from tui.service.workbench import EngineWorkbench

    workbench = EngineWorkbench(load())
    WorkbenchApp(workbench, initial_request=workbench.first_request()).run()


if __name__ == "__main__":
    main()
