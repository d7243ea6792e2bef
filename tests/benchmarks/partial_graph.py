"""Drawing a workflow that is being written: `python -m tests.benchmarks.partial_graph`.

The screen parses the prefix it has, many times a second. Prints the median time for a prefix of 5 kB, and its
ratio to parsing the whole source with `ast`, which is the least there is to do.
"""

from __future__ import annotations

import ast
import statistics
import time

from engine.operators.sets import PAPER
from engine.workflows import partial_graph

CALL = "await self.custom(input=problem, instruction='x')"
HEAD = "class Workflow:\n    async def __call__(self, problem):\n"
BODY = "".join(
    f"        for i in range(3):\n            x = {CALL}\n            try:\n                y = {CALL}\n"
    "            except ValueError as e:\n                print(f'{e} {x}')\n"
    for _ in range(40)
)


def main() -> None:
    code = HEAD + BODY
    drawn: list[float] = []
    parsed: list[float] = []
    for end in range(4_800, 5_000, 2):
        begun = time.perf_counter()
        partial_graph(code[:end], PAPER)
        drawn.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        ast.parse(code)
        parsed.append(time.perf_counter() - begun)
    took, least = statistics.median(drawn) * 1e3, statistics.median(parsed) * 1e3
    print(f"5 kB of a workflow: {took:.1f} ms, {took / least:.1f} x parsing it once ({least:.1f} ms)")


if __name__ == "__main__":
    main()
