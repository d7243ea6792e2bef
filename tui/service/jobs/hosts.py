"""The machines that jobs may run on, asked how they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from engine.host_config import Host
    from training.jobs.remote.hosts import HostReport


class HostCheck(NamedTuple):
    """What the last check of a host found, None where the host did not answer; `at` in Unix seconds."""

    report: HostReport | None
    at: float


async def check_host(name: str, host: Host) -> HostReport:
    """How a host is now, and whether a job can run there. Raises HostError: it cannot be asked."""
    if host.is_ray:
        from training.jobs.ray.cluster import check_cluster
        from training.jobs.ray.link import RayLink

        cluster = RayLink(name, host)
        try:
            return await check_cluster(cluster)
        finally:
            await cluster.close()
    from training.jobs.remote.hosts import check
    from training.jobs.remote.link import Link

    link = Link(name, host)
    try:
        return await check(link, host.gpus)
    finally:
        await link.close()
