"""How long `flowreasoner --help` takes against `import textual.app`, interleaved in one run.

Shell completion waits for it, so it must stay near or below 1.2 times that import.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 25
COMMANDS = {
    "flowreasoner --help": [str(Path(sys.executable).with_name("flowreasoner")), "--help"],
    "import textual.app": [sys.executable, "-c", "import textual.app"],
    "python -c pass": [sys.executable, "-c", "pass"],
}


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - started)
    for name, values in times.items():
        print(f"{name:22} median {statistics.median(values) * 1e3:6.0f} ms   min {min(values) * 1e3:6.0f} ms")
    ratio = statistics.median(times["flowreasoner --help"]) / statistics.median(times["import textual.app"])
    print(f"ratio to importing textual.app: {ratio:.2f} (limit 1.2)")


if __name__ == "__main__":
    main()
