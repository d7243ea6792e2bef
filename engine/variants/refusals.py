"""What a variant could only fail at, said before anything starts."""

from __future__ import annotations

from engine.models.registry import POCKET
from engine.run.context import RunConfig
from engine.variants import OptionError, Variant


def refuse(label: str, variant: Variant, config: RunConfig, meta_agent: str) -> None:
    """Raise OptionError where the meta-agent cannot write what the variant asks for, or something that its
    options name is not there. `label` is what the variant is called where it was asked for.
    """
    variant.check(config)
    if meta_agent in POCKET and not variant.embedded:
        raise OptionError(
            f"{label} asks for what {meta_agent} was not trained to write; name another meta-agent, with "
            f"--meta-agent or {label},meta_agent=NAME"
        )


def refuse_alone(label: str, variant: Variant) -> None:
    """Raise OptionError where the variant cannot solve a single problem without a search over a task."""
    if not variant.alone:
        raise OptionError(
            f"{label} first searches over the problems of a task; run it with `flowreasoner bench BENCHMARK "
            f"--variant {label}`, or use what such an experiment found, with --found EXPERIMENT"
        )
