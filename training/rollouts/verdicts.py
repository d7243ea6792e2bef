"""Verdicts that rollouts share: the same code against the same tests is run once.

Candidates that meet the same random numbers write the same solutions again and again, and testing them is a
large part of what a step costs in the sandbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from sandbox.types import Limits, Mode, ModeChoice, Outcome, Sandbox, Session, Verdict

# Others, such as a timeout, may be the machine's doing.
_CERTAIN = ("passed", "failed")


@dataclass
class _Known:
    """A verdict, or one that is being found; None where it came to nothing that can be shared."""

    found: asyncio.Event = field(default_factory=asyncio.Event)
    verdict: Verdict | None = None


class SharedVerdicts:
    """The verdicts that some rollouts share, for as long as these last."""

    def __init__(self) -> None:
        self.known: dict[object, _Known] = {}


class SharingSandbox:
    """A sandbox (`sandbox.types.Sandbox`) whose checks are shared; all else is as it was.

    A solution that draws random numbers is judged once, too: candidates share that draw.
    """

    def __init__(self, sandbox: Sandbox, shared: SharedVerdicts) -> None:
        self.name, self.description = sandbox.name, sandbox.description
        self._sandbox, self._shared = sandbox, shared

    async def __aenter__(self) -> SharingSandbox:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """The sandbox is its owner's to close."""

    def session(self) -> AbstractAsyncContextManager[Session]:
        """As `Sandbox.session`."""
        return self._sandbox.session()

    async def check(
        self,
        solution: str,
        tests: Sequence[str],
        *,
        entry_point: str | None,
        prelude: str = "",
        limits: Limits | None = None,
        mode: ModeChoice = "auto",
        tolerance: float = 0.0,
    ) -> Verdict:
        """As `Sandbox.check`. Raises SandboxError as that does; a check that failed is not shared."""
        every = self._shared.known
        key = (self._sandbox, solution, tuple(tests), entry_point, prelude, limits, mode, tolerance)
        while (entry := every.get(key)) is not None:
            await entry.found.wait()
            if entry.verdict is not None:
                return entry.verdict
        entry = every[key] = _Known()
        try:
            verdict = await self._sandbox.check(
                solution,
                tests,
                entry_point=entry_point,
                prelude=prelude,
                limits=limits,
                mode=mode,
                tolerance=tolerance,
            )
            if verdict.status in _CERTAIN:
                entry.verdict = verdict
            return verdict
        finally:
            if entry.verdict is None:
                del every[key]
            entry.found.set()

    async def choose_mode(
        self,
        reference: str,
        tests: Sequence[str],
        *,
        entry_point: str | None,
        prelude: str = "",
        limits: Limits | None = None,
        tolerance: float = 0.0,
    ) -> Mode:
        """As `Sandbox.choose_mode`."""
        return await self._sandbox.choose_mode(
            reference, tests, entry_point=entry_point, prelude=prelude, limits=limits, tolerance=tolerance
        )

    async def run_program(
        self,
        code: str,
        *,
        entry: str | None = None,
        limits: Limits | None = None,
        files: Mapping[str, bytes] | None = None,
        collect: Sequence[str] = (),
        stdin: str | None = None,
        prelude: str = "",
    ) -> Outcome:
        """As `Sandbox.run_program`."""
        return await self._sandbox.run_program(
            code,
            entry=entry,
            limits=limits,
            files=files,
            collect=collect,
            stdin=stdin,
            prelude=prelude,
        )
