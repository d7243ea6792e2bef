"""What the screens remember from one start to the next: drafts of forms, last values, picks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FILE = "screens.json"
MOST_DRAFTS = 50
MOST_BYTES = 4_000_000


class Memory:
    """A small JSON file beside the store.

    A form is written as it is edited, so that neither a failed start nor a closed terminal costs what was
    typed. A file that cannot be read counts as empty; `problem` says why one cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._data: dict[str, Any] | None = None
        self.problem = ""  # why it could not be written the last time

    def get(self, name: str) -> Any:
        """What was put under `name`, None where nothing was."""
        return self._all.get(name)

    def put(self, name: str, value: Any) -> None:
        """Remember JSON-ready data under a name; None forgets it."""
        self._change(self._all, name, value)

    def draft(self, form: str) -> dict[str, Any] | None:
        """What was filled into a form and has not been used yet, by field; None where there is nothing."""
        draft = self._drafts.get(form)
        return draft if isinstance(draft, dict) else None

    def keep_draft(self, form: str, filled: dict[str, Any]) -> None:
        """Keep what is filled into a form; only the newest `MOST_DRAFTS` forms are kept."""
        drafts = self._drafts
        if drafts.get(form) == filled:
            return
        drafts.pop(form, None)
        newest = dict(list(drafts.items())[-(MOST_DRAFTS - 1) :]) | {form: filled}
        self.put("drafts", newest)

    def drop_draft(self, form: str) -> None:
        """Forget the draft of a form: it was used or given up."""
        if form in self._drafts:
            self.put("drafts", {name: value for name, value in self._drafts.items() if name != form})

    @property
    def _drafts(self) -> dict[str, Any]:
        drafts = self._all.get("drafts")
        return drafts if isinstance(drafts, dict) else {}

    @property
    def _all(self) -> dict[str, Any]:
        if self._data is None:
            self._data = self._read()
        return self._data

    def _read(self) -> dict[str, Any]:
        try:
            with self._path.open("rb") as file:
                data = json.loads(file.read(MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return data if isinstance(data, dict) else {}

    def _change(self, data: dict[str, Any], name: str, value: Any) -> None:
        if data.get(name) == value:
            return
        if value is None:
            data.pop(name, None)
        else:
            data[name] = value
        try:
            self._write(json.dumps(data, ensure_ascii=True))
            self.problem = ""
        except OSError as error:
            self.problem = f"{self._path}: {error.strerror or error}"

    def _write(self, text: str) -> None:
        """All of it or nothing, and for the user alone: queries are theirs."""
        if len(text) > MOST_BYTES:
            raise OSError(f"more than {MOST_BYTES:,} characters")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(f".{os.getpid()}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(self._path)
