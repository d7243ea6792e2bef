"""How the command starts: with the screens where there is nothing to parse, else with the command line."""

from __future__ import annotations

import sys


def main() -> None:
    """The `flowreasoner` command: every error is one sentence on standard error."""
    from tui.opening import on_terminal, open_workbench
    from tui.streams import OutputError, discard, prepare

    try:
        prepare()
        try:
            if not sys.argv[1:] and on_terminal():  # what parses options is not even imported
                open_workbench()
            else:
                from tui.cli import app

                app()
        finally:
            sys.stdout.flush()  # here, where what goes wrong can still be said
    except BrokenPipeError:  # the reader of our output is gone: nothing to say, nobody to say it to
        sys.stderr.close()
        raise SystemExit(141) from None
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the process's edge: no traceback leaves it
        from sandbox.errors import ExpectedError
        from tui.service.errors import INTERNAL, internal, say

        if isinstance(error, OutputError):
            discard()
        expected = isinstance(error, ExpectedError)
        say(str(error) if expected else internal(error))
        raise SystemExit(error.exit_code if expected else INTERNAL) from None


if __name__ == "__main__":
    main()
