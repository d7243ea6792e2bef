"""How long a comparison takes: reading it from the store, and computing it, by the number of trials.

    python -m tests.benchmarks.compare [--trials 10000] [--repeats 4]

Each side has so many trials, once of as many problems and once with repeats. The ratio of the largest to a
tenth of it says how the cost grows; SciPy's import is told apart, as it is paid once a process.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from store.compare.comparison import compare_sides
from store.compare.sides import read_sides
from store.reader import Reader
from tests.support.trials import Ran, store_experiment
from tui.compare.report import text


def fill(path: Path, name: str, problems: int, repeats: int) -> None:
    """An experiment of two variants whose trials differ in everything that is compared."""
    rng = random.Random(problems)

    def ran(rate: float) -> Ran:
        status = "passed" if rng.random() < rate else "failed"
        return Ran(status, val_score=rng.random(), worker_usd=rng.random(), worker_ms=rng.random() * 1e3)

    trials = {
        label: {f"p{n}": [ran(rate) for _ in range(repeats)] for n in range(problems)}
        for label, rate in (("a", 0.6), ("b", 0.65))
    }
    store_experiment(path, name, trials)


def measure(path: Path, name: str) -> tuple[float, float]:
    """Seconds of processor time to read, and to compare and write out: what waiting takes is not ours."""
    with Reader(path) as reader:
        began = time.process_time()
        sides = read_sides(reader, [name])
        read = time.process_time()
        text(compare_sides(reader, sides), every=False)
        return read - began, time.process_time() - read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=4)
    args = parser.parse_args()
    began = time.process_time()
    import scipy.stats

    print(f"import of SciPy {scipy.__version__}: {time.process_time() - began:.2f} s, once")
    print(f"{'trials a side':>14} {'repeats':>8} {'read s':>8} {'compare s':>10}")
    took: dict[tuple[int, int], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        for repeats in (1, args.repeats):
            for trials in (args.trials // 10, args.trials):
                name = f"e{trials}x{repeats}"
                fill(path, name, trials // repeats, repeats)
                read, compared = measure(path, name)
                took[trials, repeats] = compared
                print(f"{trials:>14,} {repeats:>8} {read:>8.2f} {compared:>10.2f}")
    for repeats in (1, args.repeats):
        ratio = took[args.trials, repeats] / took[args.trials // 10, repeats]
        print(f"ten times the trials, {repeats} a problem: {ratio:.1f} times the time to compare")


if __name__ == "__main__":
    main()
