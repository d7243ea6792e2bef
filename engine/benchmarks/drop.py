"""DROP (Dua et al. 2019): questions that need arithmetic over a passage; F1 as in its official script.

Three layouts are read: the official file (passages with their questions), the hub's rows, and the flat
records that AFlow uses (`context`, which ends in the question, and `ref_text`). Several accepted answers are
joined by `|`; the spans of one answer are on a line each. Only the official file says which spans belong
together; in the others each is an answer of its own.
"""

from __future__ import annotations

from typing import Any

from engine.benchmarks.sources import Hub, fields, identifier, text
from engine.problems import Problem, ProblemError
from engine.records import Record

FILES = (
    "drop_dataset_dev.json",
    "drop.jsonl",
    "drop_[tv]*.jsonl",
    "data/validation-*.parquet",
    "validation-*.parquet",
)
HUB = Hub("ucinlp/drop", (None,), "validation")


def problems(records: list[Record], name: str) -> list[Problem]:
    """The records as problems, in order. Raises ProblemError where one has none of these layouts."""
    flat = [one for record, where in records for one in _flattened(record, where)]
    return [to_problem(record, where, number) for number, (record, where) in enumerate(flat)]


def to_problem(record: object, where: str, number: int = 0) -> Problem:
    """One record with one question as a problem; `number` makes its id where it has none. Raises
    ProblemError, as `problems`.
    """
    data = fields(record, where)
    if "ref_text" in data:
        prompt, answer = text(record, "context", where).strip(), text(record, "ref_text", where)
    else:
        passage, question = text(record, "passage", where), text(record, "question", where)
        prompt, answer = f"Passage: {passage.strip()}\n\nQuestion: {question.strip()}", _answer(data, where)
    metadata = {"benchmark": "drop", "metric": "drop-f1", "reference": answer.partition("|")[0]}
    problem_id = identifier(record, where, "query_id", "id", default=f"drop/{number}")
    return Problem(problem_id, prompt, kind="qa", answer=answer, metadata=metadata)


def _flattened(record: object, where: str) -> list[Record]:
    """The questions of a record: of the official file, which is one object (passage id → {"passage",
    "qa_pairs"}), all of them; else the record itself.
    """
    data = fields(record, where)
    passages = [value for value in data.values() if isinstance(value, dict) and "qa_pairs" in value]
    if not passages or len(passages) != len(data):
        return [(record, where)]
    rows: list[Record] = []
    for name, passage in data.items():
        if not isinstance(passage["qa_pairs"], list):
            raise ProblemError(f'{where}, passage {name}: the field "qa_pairs" is not a list')
        for pair in passage["qa_pairs"]:
            row = {**fields(pair, f"{where}, passage {name}"), "passage": passage.get("passage")}
            rows.append((row, f"{where}, passage {name}"))
    return rows


def _answer(data: dict[str, Any], where: str) -> str:
    """All accepted answers, joined by `|`: the hub's spans, or the official answer and the validated ones."""
    spans = data.get("answers_spans")
    if isinstance(spans, dict):
        answers = [span for span in spans.get("spans") or [] if isinstance(span, str)]
    else:
        candidates = [data.get("answer"), *(data.get("validated_answers") or [])]
        answers = [_one(item) for item in candidates if isinstance(item, dict)]
    accepted = list(dict.fromkeys(item.strip() for item in answers if item.strip()))
    if not accepted:
        raise ProblemError(f'{where}: there is no answer in "answers_spans" or "answer"')
    return "|".join(accepted)


def _one(answer: dict[str, Any]) -> str:
    """A number, the spans that together are the answer, or a date: the first of these, as in the
    official script.
    """
    number, spans, date = answer.get("number"), answer.get("spans") or [], answer.get("date")
    if number not in (None, ""):
        return str(number)
    if spans:
        return "\n".join(" ".join(str(span).split()) for span in spans)
    parts = [date.get(part) for part in ("day", "month", "year")] if isinstance(date, dict) else []
    return " ".join(str(part) for part in parts if part)
