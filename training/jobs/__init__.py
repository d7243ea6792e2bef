"""Jobs: programs that train or serve a model, here or on another machine, and outlive whoever started them.

All of a job's state is in its directory, which any process can read (`directory`). What runs beside the job
is in `host`. A job is worked with through `job.Job`, wherever it runs.
"""
