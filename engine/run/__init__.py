"""One run, in progress: its context, executions, steps, model calls and budget."""
