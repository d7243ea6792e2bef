"""Hostile frames in bulk: `python -m tests.benchmarks.sandbox_fuzz --cases 100000`.

Prints how many were sent and the longest that one callback of the host's loop took for one of them.
"""

from __future__ import annotations

import argparse
import time

from hypothesis import HealthCheck, Phase, given, settings

from tests.sandbox import fuzzing


def main() -> None:
    """Fails with the smallest case that breaks something, as Hypothesis found it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    cases = parser.parse_args().cases
    count, called = 0, 0
    took: list[float] = []

    @settings(
        max_examples=cases,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        phases=[Phase.generate, Phase.shrink],
        database=None,
    )
    @given(fuzzing.sequences)
    def send(sent: list[bytes]) -> None:
        nonlocal count, called
        slowest, calls = fuzzing.run(sent)
        took.append(slowest)
        count, called = count + 1, called + calls

    started = time.monotonic()
    send()
    took.sort()
    print(f"{count} cases in {time.monotonic() - started:.0f} s, {called} calls answered; nothing else ended")
    print(f"longest callback of the loop: p50 {took[count // 2] * 1e3:.2f} ms, most {took[-1] * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
