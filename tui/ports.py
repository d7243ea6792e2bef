"""What the screens need from the rest of the workbench, as protocols, so that tests can script it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from engine.events import Event
    from engine.experiments.standing import Standing
    from engine.problems import Problem
    from tui.service.experiments.prepare import BenchRequest


@dataclass(frozen=True, kw_only=True)
class ForkRequest:
    """What makes a run a fork: the run it is of, and what is changed at which of its steps.

    `at` is a step's id; `inputs` are all of its arguments, `prompt` the user's message of its first model
    call; `everywhere` changes every step with its operator and inputs. `workflow` is (code, prompts) of the
    workflow to run in place of the parent's.
    """

    parent: str
    at: str | None = None
    inputs: dict[str, Any] | None = None
    prompt: str | None = None
    everywhere: bool = False
    workflow: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One run to start: what the new-run form edits and the workbench carries out. A `fork` has all but its
    worker from the run it is of.

    `operators` is a set's name, or the path of the user's own FILE.toml; `breakpoints` are as a user
    writes them (`engine.run.control.breakpoints`). `again` is the run to do once more: with it, nothing
    but the breakpoints counts, and the rest is shown while the run opens. `playground` is the JSON form of
    an `engine.playground.plan.Plan`: the run is its grid.
    """

    problem: Problem
    variant: str
    meta_agent: str
    worker: str
    rounds: int
    seed: int
    repeats: int = 3
    stop_early: bool = True
    make_tests: bool = False
    operators: str = "paper"
    found: str | None = None
    breakpoints: tuple[str, ...] = ()
    fork: ForkRequest | None = None
    again: str | None = None
    playground: dict[str, Any] | None = None


class Settings(Protocol):
    """The part of the settings the screens read."""

    @property
    def keymap(self) -> Mapping[str, str]:
        """Action id to key (comma-separated for several), over the defaults of `tui.actions`."""
        ...

    @property
    def theme(self) -> str: ...

    @property
    def variant(self) -> str: ...

    @property
    def meta_agent(self) -> str: ...

    @property
    def worker(self) -> str: ...

    @property
    def data(self) -> Path | None: ...

    @property
    def docker_hosts(self) -> Sequence[str]: ...


class Workbench(Protocol):
    """The services behind the screens. Nothing is opened before the first run asks for it."""

    @property
    def settings(self) -> Settings: ...

    @property
    def store_path(self) -> Path: ...

    @property
    def sandbox_note(self) -> str:
        """`Docker`, or one sentence that warns of a weaker sandbox."""
        ...

    async def start(self, request: RunRequest) -> str:
        """Start a run and give its id; it goes on, recorded, until it ends or is cancelled."""
        ...

    def follow(self, run_id: str, after: int = -1) -> AsyncGenerator[Event, None]:
        """The events of a run in progress behind number `after`, until its end; leaving leaves it alone."""
        ...

    async def act(self, run_id: str, action: str, **args: Any) -> dict[str, Any]:
        """Carry out a control action of `tui.service.engine_process.hub`; gives how the run stands then."""
        ...

    async def live(self) -> list[str]:
        """The ids of all runs in progress on this store, whoever started them."""
        ...

    async def estimate(self, request: BenchRequest) -> list[dict[str, Any]]:
        """What an experiment may take, by variant (`tui.reports.experiments.estimate`).

        Raises what `tui.service.experiments.prepare.prepare` raises.
        """
        ...

    async def start_experiment(self, request: BenchRequest) -> str:
        """Start or resume an experiment and give its name; it goes on without the screen."""
        ...

    async def experiments(self) -> list[Standing]:
        """How every experiment stands that is in progress, or ended a moment ago."""
        ...

    async def act_on_experiment(self, name: str, action: str) -> Standing:
        """Carry out one of `live_experiments.ACTIONS`; gives how the experiment stands then."""
        ...

    def default_request(self) -> RunRequest:
        """The bundled example with the configured models."""
        ...

    async def aclose(self) -> None: ...
