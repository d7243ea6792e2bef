"""Reading an AFlow workspace, the folders that its search wrote, as data. Nothing in it is executed.

AFlow writes `workflows/round_N/{graph.py, prompt.py, log.json, experience.json, SCORE_TIME.csv}` and,
beside the rounds, `results.json` and `processed_experience.json`; `workflows_test` holds the rounds that
were tested. Standalone AFlow keeps a dataset's folder in `workspace/`, its copy in MetaGPT in
`scripts/optimized/`. Files are often empty or missing: a round that failed leaves whatever it had.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.formats.folder import Folder, FolderError
from engine.formats.format import FormatError
from engine.formats.rounds import Round, Workspace
from engine.ids import content_key

MAX_DEPTH = 9  # from the root of a MetaGPT checkout it takes seven
MAX_FOLDERS = 5_000
MAX_ROUNDS = 1_000
SOURCE_BYTES = 1 << 20
DATA_BYTES = 32 << 20
_ROUND = re.compile(r"round_([1-9]\d{0,6})")


def read_workspaces(path: Path) -> list[Workspace]:
    """Every dataset's search at or below `path`, which is a `workflows` folder or any folder above some.

    Raises:
        FormatError: there is none, or `path` cannot be read.
    """
    found: dict[str, Workspace] = {}
    try:
        with Folder(path.resolve()) as top:
            for folder in _workflow_folders(top):
                _read(folder, found)
    except FolderError as error:
        raise FormatError(f"{error}; name AFlow's workspace folder") from None
    workspaces = [w for w in found.values() if w.rounds or w.tested]
    if not workspaces:
        raise FormatError(
            f"{path}: no round_N folder here or below; name AFlow's workspace, a dataset's folder in it, "
            "or its workflows folder"
        )
    return workspaces


def _workflow_folders(top: Folder) -> Iterator[Folder]:
    """Folders that hold rounds, opened while they are looked at."""
    left = MAX_FOLDERS

    def walk(folder: Folder, depth: int) -> Iterator[Folder]:
        nonlocal left
        names, _ = folder.names()
        if any(_ROUND.fullmatch(n) for n in names):
            yield folder
            return
        for name in names:
            if depth and left and not name.startswith((".", "__")):
                left -= 1
                try:
                    inner = folder.folder(name)
                except FolderError:
                    continue  # another's folder: what cannot be opened holds nothing for us
                with inner:
                    yield from walk(inner, depth - 1)

    yield from walk(top, MAX_DEPTH)


def _read(folder: Folder, found: dict[str, Workspace]) -> None:
    """The rounds of one `workflows` folder, or the test scores of a `workflows_test`."""
    plain = folder.name.startswith("workflows")
    place = folder.path.parent if plain else folder.path
    workspace = found.setdefault(str(place), Workspace(_shown(place.name)))
    reader = _Reader(folder, workspace)
    results = reader.results()
    if folder.name == "workflows_test":
        scores: dict[int, list[float]] = {}
        for number, score, _ in results:
            scores.setdefault(number, []).append(score)
        workspace.tested = {n: sum(s) / len(s) for n, s in scores.items()}
        return
    rounds = reader.rounds()
    for number in sorted({number for number, _, _ in results}):
        if number not in rounds:
            workspace.note(f"results.json scores round {number}, which has no folder that can be read.")
            continue
        evaluations = [(score, cost) for n, score, cost in results if n == number]
        costs = [cost for _, cost in evaluations if cost is not None]
        rounds[number].scores = [score for score, _ in evaluations]
        rounds[number].cost_usd = sum(costs) if costs else None
    reader.add_processed_experience(rounds)
    workspace.rounds = [rounds[n] for n in sorted(rounds)]


class _Reader:
    """Reads the files of one folder; what cannot be used becomes a note."""

    def __init__(self, folder: Folder, workspace: Workspace) -> None:
        self._folder, self._workspace = folder, workspace

    def results(self) -> list[tuple[int, float, float | None]]:
        """(round, score, cost) of each entry of results.json that has a round and a score."""
        entries: list[tuple[int, float, float | None]] = []
        data = self._json(self._folder, "results.json")
        for number, entry in enumerate(data if isinstance(data, list) else [], 1):
            values = entry if isinstance(entry, dict) else {}
            round_number, score = _round_number(values.get("round")), _score(values.get("score"))
            if round_number is None or score is None:
                self._note(f"Entry {number} of results.json has no round with a score from 0 to 1.")
                continue
            entries.append((round_number, score, _cost(values.get("total_cost"))))
        if data is not None and not isinstance(data, list):
            self._note("results.json holds no list, so it is not used.")
        return entries

    def rounds(self) -> dict[int, Round]:
        names = [n for n in self._folder.names()[0] if _ROUND.fullmatch(n)]
        names += [n for n in self._folder.links() if _ROUND.fullmatch(n)]
        names.sort(key=lambda n: int(n.removeprefix("round_")))
        if len(names) > MAX_ROUNDS:
            self._note(f"There are {len(names)} rounds; the first {MAX_ROUNDS:,} are read.")
        rounds: dict[int, Round] = {}
        for name in names[:MAX_ROUNDS]:
            try:
                with self._folder.folder(name) as folder:
                    made = self._round(folder, int(name.removeprefix("round_")))
            except FolderError as error:
                self._note(f"{name} cannot be read ({_relative(error, self._folder)}).")
                continue
            rounds[made.number] = made
        return rounds

    def _round(self, folder: Folder, number: int) -> Round:
        made = Round(number)
        made.graph = self._text(folder, "graph.py")
        made.prompts = self._text(folder, "prompt.py") or ""
        if made.graph is None:
            self._note(f"round_{number} has no graph.py that can be read.")
        self._add_experience(made, self._json(folder, "experience.json"))
        self._add_failures(made, self._json(folder, "log.json"))
        for name in folder.names()[1]:
            if name.endswith(".csv"):
                self._add_evaluation(made, folder, name)
        return made

    def _add_experience(self, made: Round, data: object) -> None:
        if data is None:
            return
        if not isinstance(data, dict):
            self._note(f"experience.json of round {made.number} holds no object.")
            return
        made.parent = _round_number(data.get("father node"))
        made.modification = _line(data.get("modification"))
        made.before = _score(data.get("before"))
        after = _score(data.get("after"))
        if after is not None:  # results.json, where it has the round, replaces this
            made.scores = [after]

    def _add_failures(self, made: Round, data: object) -> None:
        entries = data if isinstance(data, list) else [data] if isinstance(data, dict) else []
        made.failed = len(entries)
        for entry in entries[:3]:
            if isinstance(entry, dict):
                got = entry.get("extracted_output", entry.get("model_output"))
                made.failures.append((_line(entry.get("question"))[:200], _line(got)[:200]))

    def _add_evaluation(self, made: Round, folder: Folder, name: str) -> None:
        text = self._text(folder, name, DATA_BYTES)
        if text is None:
            return
        try:
            scores = [_score(_number(row.get("score"))) for row in csv.DictReader(io.StringIO(text))]
        except csv.Error as error:
            self._note(f"round_{made.number}/{_shown(name)} is not a CSV file ({error}).")
            return
        known = [s for s in scores if s is not None]
        mean = f", mean score {sum(known) / len(known):.4f}" if known else ""
        full = sum(s == 1.0 for s in known)
        made.evaluations.append(f"{_shown(name)}: {len(scores)} problems, {full} with full score{mean}")
        if known:
            made.measured.append(sum(known) / len(known))

    def add_processed_experience(self, rounds: dict[int, Round]) -> None:
        """What processed_experience.json knows of rounds whose own experience.json is missing."""
        data = self._json(self._folder, "processed_experience.json")
        for parent, known in data.items() if isinstance(data, dict) else ():
            number = int(parent) if re.fullmatch(r"[1-9]\d{0,6}", str(parent)) else None
            for outcome in ("success", "failure"):
                children = known.get(outcome) if isinstance(known, dict) else None
                for child, told in children.items() if isinstance(children, dict) else ():
                    made = rounds.get(int(child)) if re.fullmatch(r"[1-9]\d{0,6}", str(child)) else None
                    if made is None or made.modification or not isinstance(told, dict):
                        continue
                    made.modification, made.parent = _line(told.get("modification")), number
                    made.before = made.before if made.before is not None else _score(known.get("score"))

    def _json(self, folder: Folder, name: str) -> Any:
        """Decoded JSON; None where the file is missing, empty, or no JSON, which is noted."""
        text = self._text(folder, name, DATA_BYTES)
        if not text or not text.strip():
            return None
        try:
            return json.loads(text)
        except RecursionError:
            self._note(f"{self._place(folder, name)} is nested too deeply to be read.")
        except ValueError as error:
            self._note(f"{self._place(folder, name)} is not JSON ({error}).")
        return None

    def _text(self, folder: Folder, name: str, limit: int = SOURCE_BYTES) -> str | None:
        """The file's text, None where there is none; each file read counts towards the run's id."""
        if name not in folder.names()[1]:
            if name in folder.links():
                self._note(f"{self._place(folder, name)} is a link, which is not followed.")
            return None
        try:
            data = folder.read(name, limit)
        except FolderError as error:
            self._note(f"{self._place(folder, name)} is not read ({_relative(error, self._folder)}).")
            return None
        self._workspace.parts.append((self._place(folder, name), content_key(data.hex())))
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._note(
                f"{self._place(folder, name)} is not UTF-8 at byte {error.start}; it is read with gaps."
            )
            return data.decode("utf-8", errors="replace")

    def _place(self, folder: Folder, name: str) -> str:
        inside = "" if folder is self._folder else f"{folder.name}/"
        return f"{_shown(self._folder.name)}/{_shown(inside)}{_shown(name)}"

    def _note(self, text: str) -> None:
        self._workspace.note(text)


def _relative(error: FolderError, folder: Folder) -> str:
    return str(error).removeprefix(f"{folder.path}/")


def _round_number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**7:
        return value
    return None


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _score(value: object) -> float | None:
    """A finite number from 0 to 1, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        return None
    return float(value)


def _cost(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if value >= 0 and math.isfinite(value) else None


def _line(value: object) -> str:
    """Text out of somebody's JSON, encodable and bounded."""
    text = value if isinstance(value, str) else "" if value is None else repr(value)
    return text[:10_000].encode("utf-8", "backslashreplace").decode("utf-8")


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
