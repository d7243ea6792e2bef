"""Jobs on a Ray cluster.

The Jobs API starts a job's supervisor on the head node, the same as on every other host. The supervisor runs
`ranks`, which has Ray Train place the ranks of the training on the cluster's nodes and start them again where
one is lost. Nothing here imports Ray in the workbench's own process: `channel` is the one that does.
"""
