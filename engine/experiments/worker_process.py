"""A worker process of an experiment (`engine.experiments.processes`), as a program.

It carries out the requests that come over its socket, and ends, with its containers, when that is closed:
nobody wants its trials then.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from typing import Any

from engine.experiments.processes import packed, unpacked
from engine.experiments.trial_worker import TrialWorker

_METHODS = ("hello", "begin", "more", "cancel", "close")


async def serve(connection: socket.socket, worker: TrialWorker) -> None:
    """Answer requests until the other side ends, then close the worker."""
    reader, writer = await asyncio.open_connection(sock=connection)
    answering: set[asyncio.Task[None]] = set()

    async def answer(number: int, method: str, args: list[Any]) -> None:
        value, failure = None, None
        try:
            value = await getattr(worker, method)(*args)
        # The edge of the process: whatever it is, the other side must hear of it rather than wait for ever.
        except Exception as error:  # noqa: BLE001
            failure = f"{type(error).__name__}: {error}"
        writer.write(packed([number, value, failure]))

    try:
        while True:
            number, method, args = await unpacked(reader)
            assert method in _METHODS
            task = asyncio.create_task(answer(number, method, args))
            answering.add(task)
            task.add_done_callback(answering.discard)
    except (EOFError, OSError):
        pass
    finally:
        writer.close()
        await worker.close()


def main() -> None:
    """Serve the socket that this process was started with."""
    options = json.loads(sys.argv[1])
    connection = socket.socket(fileno=options["fd"])
    worker = TrialWorker(unsafe_local=options["unsafe_local"], share=options["share"])
    asyncio.run(serve(connection, worker))
    # Threads of models' libraries may still be at something that nobody waits for.
    os._exit(0)


if __name__ == "__main__":
    main()
