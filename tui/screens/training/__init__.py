"""Screens: training jobs, one of them in detail, and the form that starts one."""
