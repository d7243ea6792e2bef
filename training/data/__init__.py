"""Data sets to train the meta-agent on, built from stored runs; see docs/datasets.md."""

from training.data.build import Progress, build
from training.data.options import BuildOptions, DataError, Kind
from training.data.report import Report
from training.data.source import Source

__all__ = ["BuildOptions", "DataError", "Kind", "Progress", "Report", "Source", "build"]
