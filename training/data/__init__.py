"""Data sets to train the meta-agent on, built from stored runs; see docs/datasets.md."""
