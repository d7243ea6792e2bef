"""`training.jobs.ray.channel CLIENT DASHBOARD`: a connection to a Ray cluster, in a process of its own.

Requests come on standard input, answers go to standard output (`frames`). A process of its own keeps Ray's
threads and messages out of the workbench, has each cluster's token in its own environment, and can be ended
where Ray waits for ever.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import warnings
from typing import Any

from training.jobs.ray import clerk
from training.jobs.ray.frames import framed, read_frame
from training.jobs.ray.rank import HEAD

NAMESPACE = "flowreasoner"
_SAID = 100_000  # bytes of what a command prints on standard error
_SEATED_S = 60.0  # for the actor to start


class Cluster:
    """What can be asked of a cluster. The results are JSON-ready, or bytes."""

    def __init__(self, client: str, dashboard: str) -> None:
        """Connect. Raises what Ray raises."""
        import ray
        from ray import cloudpickle
        from ray.job_submission import JobSubmissionClient

        # Jobs without a driver's messages: they would go to standard output.
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        ray.init(client, namespace=NAMESPACE, **options)
        self._ray, self._jobs = ray, JobSubmissionClient(dashboard)
        cloudpickle.register_pickle_by_value(clerk)
        # On the head, where the job's supervisor is.
        actor: Any = ray.remote(num_cpus=0, resources={HEAD: 0.001})(clerk.Clerk)
        self._clerk = actor.remote()
        self.about: tuple[str, str] = ray.get(self._clerk.about.remote(), timeout=_SEATED_S)

    def ask(self, method: str, args: list[Any], data: bytes) -> Any:
        """Do what `method` of the clerk does, or of this. Raises what it raises, or Ray does."""
        if method in ("submit", "info", "cancel", "resources"):
            return getattr(self, f"_{method}")(*args)
        given = [data] if method in ("run", "write", "append") else []
        return self._ray.get(getattr(self._clerk, method).remote(*args, *given))

    def _submit(self, entry: str, ident: str, grace_s: float) -> None:
        # Whoever stops it from Ray's dashboard leaves it the time for a checkpoint.
        variables = {"RAY_JOB_STOP_WAIT_TIME_S": str(int(grace_s) + 10)}
        self._jobs.submit_job(
            entrypoint=entry,
            submission_id=ident,
            entrypoint_resources={HEAD: 0.001},
            runtime_env={"env_vars": variables},
        )

    def _info(self, ident: str) -> dict[str, str | None] | None:
        """Status and message of a job; None where the cluster does not know it."""
        try:
            info = self._jobs.get_job_info(ident)
        except RuntimeError as error:
            if "404" in str(error):
                return None
            raise
        return {"status": str(info.status), "message": info.message}

    def _cancel(self, ident: str) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended, or was never there
            self._jobs.stop_job(ident)

    def _resources(self) -> dict[str, Any]:
        free = self._ray.available_resources()
        total = self._ray.cluster_resources()
        names = ("CPU", "GPU")
        return {
            "nodes": sum(bool(node["Alive"]) for node in self._ray.nodes()),
            "total": {name: total.get(name, 0) for name in names},
            "free": {name: free.get(name, 0) for name in names},
        }


def main(client: str, dashboard: str) -> int:
    """The program; returns its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what Ray prints is no answer
    warnings.filterwarnings("ignore", module=r"ray\.")

    def say(values: dict[str, Any], data: bytes = b"") -> None:
        answers.write(framed(values, data))
        answers.flush()

    try:
        cluster = Cluster(client, dashboard)
    except Exception as error:  # noqa: BLE001  the edge to a library that raises a dozen kinds
        say({"error": "connect", "text": " ".join(str(error).split())[:1000]})
        return 1
    say({"value": cluster.about})
    while (request := read_frame(sys.stdin.buffer)) is not None:
        values, data = request
        try:
            result = cluster.ask(values["method"], values["args"], data)
        except Exception as error:  # noqa: BLE001  as above
            say({"error": _kind(error), "text": _words(error)})
            continue
        if values["method"] == "run":
            code, output, errors = result
            said = errors[-_SAID:].decode("utf-8", "replace")
            say({"value": [code, said]}, output)
        elif isinstance(result, bytes):
            say({"value": None}, result)
        else:
            say({"value": result})
    return 0


def _kind(error: Exception) -> str:
    """Whether an operation failed there, "failed", or the connection did, "lost"."""
    from ray.exceptions import RayTaskError

    return "failed" if isinstance(error, RayTaskError | RuntimeError) else "lost"


def _words(error: Exception) -> str:
    """The line of a message that names the error: Ray's messages are long."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    named = [line for line in lines if "Error:" in line and "ray::" not in line]
    return (named or lines or [type(error).__name__])[-1 if named else 0][:300]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
