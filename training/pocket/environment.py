"""Settings of the process that must be there before Python is, for work on small CPU machines.

On small virtual machines page faults cost more than the arithmetic, so memory once taken is kept; and two
threads are slower than one when other programs run too.
"""

from __future__ import annotations

import os
import sys

from flowreasoner import command

VARIABLES = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def ensure(module: str) -> None:
    """Restart the program as `python -m module` with the same arguments, unless the settings are in place."""
    if any(os.environ.get(k) != v for k, v in VARIABLES.items()):
        os.environ.update(VARIABLES)
        os.execv(sys.executable, command(module, *sys.argv[1:]))
