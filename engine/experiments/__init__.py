"""Experiments: variants × problems × repeats, each trial once, however often they are interrupted.

A trial is done when a run of it has ended with a verdict (`DONE`). Nothing else says so: whoever resumes
an experiment asks the record of its runs, so no second bookkeeping can disagree with it.
"""
