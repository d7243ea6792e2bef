"""`python -m training.pocket.problems train|held-out COUNT`: pocket problems as JSON lines.

The compositions of the two splits are disjoint. The problems that come with the package are held out as well,
of another seed.
"""

from __future__ import annotations

import argparse
import json
import sys

from training.pocket.tasks import SPLITS, generate


def main(arguments: list[str] | None = None) -> None:
    """The program; `arguments` are those of the command line by default."""
    parser = argparse.ArgumentParser(prog="python -m training.pocket.problems", description=__doc__)
    parser.add_argument("split", choices=SPLITS)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0, help="another seed makes other problems")
    options = parser.parse_args(arguments)
    for problem in generate(options.seed, options.split, options.count):
        sys.stdout.write(json.dumps(problem.to_json(), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
