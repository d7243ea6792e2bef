"""Forks: a run lived through again from its record up to a change, and live from there."""

from engine.forks.fork import Fork, StepEdit
from engine.forks.record import KINDS, RecordedStep, RunRecord

__all__ = ["KINDS", "Fork", "RecordedStep", "RunRecord", "StepEdit"]
