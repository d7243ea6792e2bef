"""Forks: a run that is served from another run's record up to a change, and is live from there."""

from engine.forks.fork import Fork, StepEdit
from engine.forks.record import KINDS, RecordedStep, RunRecord

__all__ = ["KINDS", "Fork", "RecordedStep", "RunRecord", "StepEdit"]
