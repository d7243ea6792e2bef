"""What runs beside a job, on whatever machine the job runs: its supervisor, and small errands there.

For another machine, this package is packed into one file, which is copied there and started by whatever
Python there is. So it needs nothing but the standard library of Python 3.10 or newer, and imports nothing of
this project. On this machine it is used as it is.
"""
