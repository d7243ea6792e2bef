"""The pocket models: two small language models that make every part of a run real without a download.

`tasks` makes problems, `worker` and `flows` make what the two models learn, `train` trains them and
`evaluate` measures them by running what they write in the sandbox.
"""
