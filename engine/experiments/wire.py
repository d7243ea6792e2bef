"""Trials as plain data, for a worker process that may be on another machine.

The data holds what `TrialRequest` does: the problem, the options, the models' names, the search's result. It
holds no API key: models are opened where they are called, by that machine's own configuration.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from engine.experiments.trials import TrialRequest
from engine.forks.replies import Reply
from engine.operators.own import recorded_set
from engine.operators.specs import OperatorSet
from engine.problems import parse_problem
from engine.run.context import Origin, RunConfig
from engine.workflows import Workflow

_CONFIG = TypeAdapter(RunConfig)
_WORKFLOW = TypeAdapter(Workflow)


def request_to_json(request: TrialRequest) -> dict[str, Any]:
    """The request as JSON-ready data. It must have no `job`: that is code, and is carried out in this
    process.
    """
    assert request.job is None
    workflow = request.workflow
    return {
        "problem": request.problem.to_json(),
        "config": _with_set(_CONFIG, request.config, request.config.operators),
        "meta_agent": request.meta_agent,
        "worker": request.worker,
        "origin": request.origin.to_json(),
        "repeat": request.repeat,
        "workflow": workflow and _with_set(_WORKFLOW, workflow, workflow.operators),
        # A model's words, passed by as they are: pydantic refuses lone surrogates.
        "modification": workflow and workflow.modification,
        "found": request.found,
        "replies": [reply.to_json() for reply in request.replies],
    }


def request_from_json(data: dict[str, Any]) -> TrialRequest:
    """The inverse of `request_to_json`.

    Raises:
        ProblemError, OperatorSetError, ValueError, TypeError, KeyError: another version wrote `data`.
    """
    workflow = data["workflow"]
    if workflow is not None:
        workflow = _WORKFLOW.validate_python({**_with_operators(workflow), "modification": ""})
        workflow = replace(workflow, modification=data["modification"])
    return TrialRequest(
        parse_problem(data["problem"], "the problem sent"),
        _CONFIG.validate_python(_with_operators(data["config"])),
        data["meta_agent"],
        data["worker"],
        Origin(**data["origin"]),
        data["repeat"],
        workflow,
        data["found"],
        replies=tuple(map(Reply.from_json, data["replies"])),
    )


def _with_set(adapter: TypeAdapter[Any], value: Any, operators: OperatorSet) -> dict[str, Any]:
    """The value with its operator set as a run's record has it: by name, or whole where it is a user's."""
    data = adapter.dump_python(value, exclude={"operators", "modification"})
    own = {"operator_set": operators.to_json()} if operators.own else {}
    return {**data, "operators": {"operators": operators.name, **own}}


def _with_operators(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "operators": recorded_set(data["operators"])}
