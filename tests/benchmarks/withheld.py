"""A benchmark without its visible tests: what is left for a method that nothing helps to tell a right answer.

    python -m tests.benchmarks.withheld HumanEval.jsonl > withheld.jsonl

The prompts stay as they are, with the examples that they show; so do the tests that answers are scored on.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from engine.benchmarks import load_problems


def main() -> None:
    """Print the problems of the file that is named, one a line."""
    for problem in load_problems(Path(sys.argv[1])):
        blind = replace(problem, tests=replace(problem.tests, visible=()))
        print(json.dumps(blind.to_json()))


if __name__ == "__main__":
    main()
