"""What the screens need from the rest of the workbench, as protocols, so that tests can script it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from engine.events import Event
    from engine.experiments.standing import Standing
    from engine.host_config import Host
    from tui.notices import Notices
    from tui.service.requests import ExperimentRequest, NewRun, Placement, RunRequest


class ScreenSettings(Protocol):
    """The part of the settings the screens read."""

    @property
    def keymap(self) -> Mapping[str, str]:
        """Action id to key (comma-separated for several), over the defaults of `tui.actions`."""
        ...

    @property
    def notices(self) -> Notices: ...

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

    @property
    def hosts(self) -> MutableMapping[str, Host]:
        """Where training jobs may run besides here, by name."""
        ...


class Workbench(Protocol):
    """The services behind the screens. Nothing is opened before the first run asks for it.

    `start`, `follow`, `act` and the calls on experiments raise EngineError where an engine refuses or is
    gone.
    """

    @property
    def settings(self) -> ScreenSettings:
        """The settings. Reading and checking them takes a moment, until `has_settings`.

        Raises ConfigError where something in them is wrong.
        """
        ...

    @property
    def has_settings(self) -> bool: ...

    @property
    def theme(self) -> str:
        """The colour theme of the settings; "" stands for the workbench's own."""
        ...

    @property
    def store_path(self) -> Path: ...

    @property
    def sandbox_note(self) -> str:
        """`Docker`, or one sentence that warns of a weaker sandbox."""
        ...

    def models(self) -> Sequence[tuple[str, str]]:
        """(name, what it is, where, and what it lacks) of each model that can be named, but for those of
        servers that run on this machine.
        """
        ...

    def served_models(self) -> Sequence[tuple[str, str]]:
        """As `models`, of servers that run on this machine. Takes up to half a second."""
        ...

    def first_pull(self) -> tuple[str, float] | None:
        """(name, gigabytes) of a model to pull first; None where more than the embedded pair can be used."""
        ...

    async def check(self, *models: str) -> str:
        """Why no run with these models can begin; "" where no reason is known."""
        ...

    async def start(self, request: RunRequest) -> str:
        """Start a run; returns its id. It continues, recorded, until it ends or is cancelled."""
        ...

    def follow(self, run_id: str, after: int = -1) -> AsyncGenerator[Event, None]:
        """The events of a run in progress after number `after`, until its end.

        Leaving does not end the run.
        """
        ...

    async def act(self, run_id: str, action: str, **args: Any) -> dict[str, Any]:
        """Carry out a control action of `tui.service.engine_process.hub`; returns how the run stands then."""
        ...

    async def live(self) -> list[str]:
        """The ids of the runs in progress on this store, except those of experiments."""
        ...

    async def estimate(self, request: ExperimentRequest) -> list[dict[str, Any]]:
        """What an experiment may take, by variant (`tui.service.experiments.estimate`).

        Raises what `tui.service.experiments.prepare.prepare` raises.
        """
        ...

    async def start_experiment(self, request: ExperimentRequest, placement: Placement) -> str:
        """Start or resume an experiment; returns its name. It continues without the screen."""
        ...

    async def experiments(self, left_out: Callable[[str], object]) -> list[Standing]:
        """How each experiment stands that is in progress, or ended while its engine still lives.

        `left_out` is told of engines whose experiments this version cannot read.
        """
        ...

    async def act_on_experiment(self, name: str, action: str) -> Standing:
        """Carry out one of `live_experiments.ACTIONS`; returns how the experiment stands then."""
        ...

    def default_request(self) -> NewRun:
        """The bundled example with the configured models."""
        ...

    async def aclose(self) -> None:
        """Close the store; the engines are left alone."""
        ...
