"""The workbench as a page of `serve` runs it: on pipes to its parent, which has a browser draw it."""

from __future__ import annotations


def main() -> None:
    """Open the workbench, whatever standard input and output are."""
    from tui.opening import open_workbench

    open_workbench()


if __name__ == "__main__":
    main()
