"""What Ray says where two sides of a cluster differ in version, in one line."""

from __future__ import annotations

import re

_VERSIONS = re.compile(r"Ray: (\S+)\s+Python: (\S+)")  # there, then here


def mismatch(text: str) -> str:
    """Which versions differ, and what to do, as the end of a sentence about the cluster; "" where Ray says
    something else.
    """
    found = _VERSIONS.findall(text)
    if len(found) != 2:
        return ""
    there, here = (f"Ray {ray} on Python {python}" for ray, python in found)
    return f"runs {there}, and here is {here}: use the same on both"
