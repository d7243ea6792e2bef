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
    """Add the modules and types that MetaFlow's runner puts before every workflow, and the constructor's
    arguments. A class without a constructor has `problem_text` all the same.
    """
    given.namespace |= {module.__name__: module for module in (asyncio, json, math, re)}
    given.namespace |= {name: getattr(typing, name) for name in TYPES}
    given.arguments |= {"config": given.llm, "problem": given.inputs["problem"]}
    given.attributes |= {"config": given.llm, "problem_text": given.inputs["problem"]}
