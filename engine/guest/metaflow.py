"""What a MetaFlow workflow is given: its problem as a text, and a model handle called `config`."""

from __future__ import annotations

import asyncio
import json
import math
import re
import typing
from typing import Any

TYPES = ("Any", "Dict", "List", "Optional", "Tuple", "Union")


def provide(given: Any) -> None:
    """A class without a constructor has `problem_text` all the same. The modules are those that the release
    puts before every workflow.
    """
    given.namespace |= {module.__name__: module for module in (asyncio, json, math, re)}
    given.namespace |= {name: getattr(typing, name) for name in TYPES}
    given.arguments |= {"config": given.llm, "problem": given.inputs["problem"]}
    given.attributes |= {"config": given.llm, "problem_text": given.inputs["problem"]}
