"""Trainers on TRL: what a recipe says, done in a run directory that holds all state.

`training.trainers RUN_DIR` is the program. It is started by a job's supervisor, and by hand as well.
"""
