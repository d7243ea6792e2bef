"""The table of docs/performance.md: `python -m tests.benchmarks.growth [--stores FOLDER] [--sizes 10000]`.

Every read of `tests.benchmarks.million` on a store of each size, and the peak memory of those that go through
many runs, each in a process of its own. Stores found in FOLDER are used again.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.million import build, measure

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
_TABLE = re.compile(r"(?<=<!-- growth -->\n).*?(?=<!-- end of growth -->)", re.DOTALL)
# Statements for a process of its own; the last line of its output are CPU milliseconds and peak MB.
_ALONE = {
    "`compare` of both variants, 5 % of the runs each": (
        "from store.compare.comparison import compare; compare(Reader(path), ['compared'])"
    ),
    "`runs --json` of up to 100,000": (
        "from tui.reports.tables import print_runs; sys.stdout = open('/dev/null', 'w');"
        " print_runs(path, failed=False, search=None, limit=100_000, as_json=True);"
        " sys.stdout = sys.__stdout__"
    ),
    "a process that reads one page": "Reader(path).runs()",
}
_TEMPLATE = """import re, sys, time
from pathlib import Path
from store.reader import Reader
path = Path(sys.argv[1])
{}
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(time.process_time() * 1e3, int(peak) / 1024)
"""


def alone(statements: str, path: Path) -> tuple[float, float]:
    """Processor time in milliseconds and peak memory in MiB of a process that does this and nothing else."""
    code = _TEMPLATE.format(statements)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    ms, peak = map(float, done.stdout.splitlines()[-1].split())
    return ms, peak


def machine() -> str:
    """The machine by its shape alone."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, {time.strftime('%Y-%m-%d')}"


def table(folder: Path, sizes: list[int]) -> str:
    """Markdown: a row a read, a column a size."""
    rows: dict[str, list[str]] = {}
    limits: dict[str, str] = {}
    for size in sizes:
        path = folder / f"{size}.db"
        if not path.exists():
            build(path, size)
        for subject, ms, limit in measure(path):
            rows.setdefault(subject, []).append(_number(ms))
            limits[subject] = f"{limit:,.0f}"
        for name, statements in _ALONE.items():
            ms, peak = alone(statements, path)
            rows.setdefault(f"{name}, alone: ms", []).append(_number(ms))
            rows.setdefault(f"{name}, alone: peak MiB", []).append(_number(peak))
    head = " | ".join(f"{size:,} runs" for size in sizes)
    lines = [f"Processor time in ms. {machine()}.", "", f"| Read | {head} | limit |"]
    lines.append(f"| --- |{' ---: |' * (len(sizes) + 1)}")
    lines += [f"| {name} | {' | '.join(cells)} | {limits.get(name, '')} |" for name, cells in rows.items()]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="The growth table of docs/performance.md.")
    parser.add_argument("--stores", type=Path, help="folder of stores built once and used again")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = args.stores or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        written = table(folder, args.sizes)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(lambda _: written, page), encoding="utf-8")
    sys.stdout.write(written)


if __name__ == "__main__":
    main()
