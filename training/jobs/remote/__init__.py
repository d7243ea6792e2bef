"""Jobs on another machine, over SSH. The job does not need the connection: only those who look do."""
