"""A machine that jobs may run on: filled in, checked, and only then saved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from sandbox.errors import ExpectedError
from tui.actions import bindings_for
from tui.safe import one_line

if TYPE_CHECKING:
    from engine.host_config import Host
    from training.jobs.remote.hosts import HostReport

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_FIELDS = (
    ("name", "Name, as in --on NAME"),
    ("address", "Address, an alias of ~/.ssh/config, or a Ray cluster as ray://HOST:PORT"),
    ("user", "User, unless the SSH configuration says"),
    ("port", "Port, unless the SSH configuration says"),
    ("gpus", "GPUs that a job takes if it does not say which, as in 0,1"),
    ("dashboard", "Port of its dashboard, unless it is 8265"),
    ("token", "File with its token, unless it is where Ray looks for it"),
)
# Shown for one kind of address only.
_OF_SSH, _OF_RAY = ("user", "port", "gpus"), ("dashboard", "token")
_EXAMPLES = {"port": "22", "gpus": "0,1", "dashboard": "8265"}


class Added(NamedTuple):
    """A host that is in the config file, and how it was found."""

    name: str
    host: Host
    found: HostReport


class AddHostScreen(ModalScreen[Added | None]):
    """Dismisses with the host that was saved, or None. One that a job cannot run on is not saved."""

    CSS_PATH = "add_host.tcss"
    BINDINGS = bindings_for("dialog")
    AUTO_FOCUS = "#name"

    def __init__(self, known: Mapping[str, Host]) -> None:
        super().__init__(name="add-host")
        self._known = known

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "A host for training"
            for name, label in _FIELDS:
                with Vertical(id=f"field-{name}", classes="field"):
                    yield Label(label, markup=False)
                    yield Input(id=name, compact=True)
            yield Static(id="told", markup=False)
            with Horizontal(id="answers"):
                yield Button("Check and save", id="save", variant="primary", compact=True)

    def on_mount(self) -> None:
        self._ask_for(is_ray=False)

    @on(Input.Changed, "#address")
    def _address_changed(self, event: Input.Changed) -> None:
        self._ask_for(is_ray=event.value.strip().startswith("ray://"))

    def _ask_for(self, *, is_ray: bool) -> None:
        for names, shown in ((_OF_SSH, not is_ray), (_OF_RAY, is_ray)):
            for name in names:
                self.query_one(f"#field-{name}").display = shown

    @on(Input.Submitted)
    @on(Button.Pressed, "#save")
    def _start(self) -> None:
        self.run_worker(self._save, group="save", exclusive=True)

    async def _save(self) -> None:
        from engine.config_file import add_host
        from tui.service.jobs.hosts import check_host

        given = {name: self._given(name) for name, _ in _FIELDS}
        try:
            name, host = host_of(given, self._known)
            self._tell(f"Asking {host.address} …")
            found = await check_host(name, host)
            if found.problems:
                self._tell(f"Not saved: {'; '.join(found.problems)}", wrong=True)
                return
            add_host(name, host)
        except (ExpectedError, ValueError) as error:
            self._tell(str(error), wrong=True)
            return
        self.dismiss(Added(name, host, found))

    def _given(self, name: str) -> str:
        """What is in a field, "" where it is not asked for."""
        asked = self.query_one(f"#field-{name}").display
        return self.query_one(f"#{name}", Input).value.strip() if asked else ""

    def _tell(self, text: str, *, wrong: bool = False) -> None:
        told = self.query_one("#told", Static)
        told.set_class(wrong, "-wrong")
        told.update(one_line(text, 400))

    def action_close(self) -> None:
        self.dismiss(None)


def host_of(given: Mapping[str, str], known: Mapping[str, Host]) -> tuple[str, Host]:
    """The host that is filled in. Raises ValueError: one sentence on what is wrong."""
    from pydantic import ValidationError

    from engine.host_config import Host

    name = given["name"]
    if not _NAME.fullmatch(name) or name == "local":
        raise ValueError("name: letters, digits, dots and dashes, and not local")
    if name in known:
        raise ValueError(f"name: {name} is there already; choose another")
    for field in ("port", "gpus", "dashboard"):
        if not re.fullmatch(
            r"\d{1,5}(\s*,\s*\d{1,5})*" if field == "gpus" else r"\d{1,5}", given[field] or "0"
        ):
            raise ValueError(f"{field}: whole numbers, as in {_EXAMPLES[field]}")
    values = {
        "address": given["address"],
        "user": given["user"] or None,
        "port": int(given["port"]) if given["port"] else None,
        "gpus": [int(word) for word in given["gpus"].split(",") if word],
        "token": Path(given["token"]) if given["token"] else None,
    }
    if given["dashboard"]:
        values["dashboard"] = int(given["dashboard"])
    try:
        return name, Host.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(": ".join([*map(str, first["loc"]), message])) from None
