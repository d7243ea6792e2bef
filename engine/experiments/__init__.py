"""Experiments: variants × problems × repeats, each trial once, however often they are interrupted.

A trial is done when a run of it has ended with a status in `keys.DONE`. The record of the runs is the only
place that says so: resuming an experiment reads it, so there is no second bookkeeping to disagree with it.
"""
