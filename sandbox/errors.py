"""Errors that are expected to happen. The message is one sentence that says what is wrong and what to do.

They are on the lowest floor so that every floor can raise them; code at a process's edge needs to know no
other class.
"""

from __future__ import annotations

from typing import ClassVar


class ExpectedError(Exception):
    """An error shown to the user as it is, without a traceback. `exit_code` is that of a command it ends."""

    exit_code: ClassVar[int]


class UsageError(ExpectedError, ValueError):
    """The input, an option or the configuration is wrong."""

    exit_code = 2


class UnavailableError(ExpectedError):
    """A model, the sandbox, the store or another process is not available."""

    exit_code = 3
