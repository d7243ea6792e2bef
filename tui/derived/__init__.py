"""Runs made from recorded ones: forks, replays, playgrounds, runs done again."""
