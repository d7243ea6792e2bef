"""What a ScoreFlow workflow is given: its problem as a record, and a model handle called `config`."""

from __future__ import annotations

from typing import Any


def provide(given: Any) -> None:
    """Add the constructor's arguments. The record has the query under every name that ScoreFlow's benchmarks
    give it, and no tests.
    """
    inputs = given.inputs
    query = inputs["problem"]
    record = dict.fromkeys(("prompt", "question", "problem", "context"), query)
    record |= {"entry_point": inputs["entry_point"]}
    record |= {"task_id": inputs["question_id"], "id": inputs["question_id"]}
    given.arguments |= {"config": given.llm, "problem": record}
