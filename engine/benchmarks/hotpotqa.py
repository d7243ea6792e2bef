"""HotpotQA (Yang et al. 2018), the distractor setting: ten paragraphs and a question; token F1."""

from __future__ import annotations

from engine.benchmarks.sources import Hub, fields, identifier, text
from engine.problems import Problem, ProblemError
from engine.records import Record

FILES = (
    "hotpot_dev_distractor_v1.json",
    "hotpotqa.jsonl",
    "hotpotqa_[tv]*.jsonl",
    "distractor/validation-*.parquet",
    "validation-*.parquet",
)
HUB = Hub("hotpotqa/hotpot_qa", ("distractor",), "validation")


def problems(records: list[Record], name: str) -> list[Problem]:
    """The records as problems, in order. Raises ProblemError where one does not have HotpotQA's layout."""
    return [to_problem(record, where) for record, where in records]


def to_problem(record: object, where: str) -> Problem:
    """One record as a problem. Raises ProblemError, as `problems`."""
    question, answer = text(record, "question", where), text(record, "answer", where)
    problem_id = identifier(record, where, "_id", "id", default="")
    if not problem_id:
        raise ProblemError(f'{where}: the field "_id" is missing')
    context = "\n".join(f"{title}: {body}" for title, body in _paragraphs(record, where))
    metadata = {"benchmark": "hotpotqa", "metric": "f1", "reference": answer}
    prompt = f"Context:\n{context}\n\nQuestion: {question.strip()}"
    return Problem(problem_id, prompt, kind="qa", answer=answer, metadata=metadata)


def _paragraphs(record: object, where: str) -> list[tuple[str, str]]:
    """(title, text) of each paragraph, from `[[title, [sentence, …]], …]` or the hub's two parallel lists."""
    context = fields(record, where).get("context")
    if isinstance(context, dict):
        titles, sentences = context.get("title"), context.get("sentences")
        if isinstance(titles, list) and isinstance(sentences, list) and len(titles) == len(sentences):
            context = [list(pair) for pair in zip(titles, sentences, strict=True)]
    well_formed = isinstance(context, list) and all(
        isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) and _are_texts(p[1]) for p in context
    )
    if not well_formed or not isinstance(context, list) or not context:
        raise ProblemError(f'{where}: the field "context" should be [[title, [sentence, …]], …]')
    return [(title, "".join(sentences).strip()) for title, sentences in context]


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
