"""How long failed runs take to cluster, for 100,000 of them, and to be labelled, for real ones."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from store import annotations
from store.db import open_writer, write
from store.failures import GROUPINGS
from store.reader import Reader
from tests.store.samples import store
from tests.store.test_store_failures import failing, many

RUNS = 100_000
LABELLED = 200


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        many(path, RUNS)
        with Reader(path) as reader:
            for by in GROUPINGS:
                begun = time.perf_counter()
                found = reader.failures.clusters(by)
                clusters = time.perf_counter() - begun
                begun = time.perf_counter()
                page = reader.runs(cluster=(by, found.clusters[0].key), limit=200)
                runs = time.perf_counter() - begun
                counts = f"{len(found.clusters)} clusters of {found.total:,} runs"
                one = f"{runs * 1e3:5.0f} ms {len(page.rows)} runs of one"
                print(f"{by:10} {clusters * 1e3:6.0f} ms {counts}; {one}")
            begun = time.perf_counter()
            waiting = len(reader.annotations.unclassified())
            print(f"unlabelled {(time.perf_counter() - begun) * 1e3:6.0f} ms {waiting:,} found")
        path = Path(folder) / "small.db"
        for number in range(LABELLED):
            store(path, failing(f"r{number}"))
        db = open_writer(path)
        begun = time.perf_counter()
        for number in range(LABELLED):
            found_in = annotations.find(db, f"r{number}")
            with write(db):
                annotations.keep(db, f"r{number}", found_in)
        print(f"labelling  {(time.perf_counter() - begun) / LABELLED * 1e3:6.1f} ms a run of 15 events")
        db.close()


if __name__ == "__main__":
    main()
