"""Screens: experiments, the trials of one."""
