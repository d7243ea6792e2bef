"""What a request means: a run, a fork, a run again, a playground; the problem and the workflow it names."""
