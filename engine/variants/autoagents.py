"""AutoAgents (Chen et al. 2023): a team and a plan are drafted, criticised by two observers, and carried out.

Drafting ends when both observers have no suggestions for the same draft; the last draft is not criticised,
since it would not be changed any more. Every role of a step acts in turn, with the results of all earlier
steps; a Language Expert takes the last step. The release's roles search the web and write files; here a role
of a programming task runs its code on the visible tests. The paper's Action Observer, which shortens what a
role reads, is disabled in the release and left out here.

Other differences from the release: role names match as a whole, advice is not carried from one draft to the
next, and each observer sees the draft instead of the other observer's advice.
"""

from __future__ import annotations

from pydantic import Field

from engine.variants import Options
from engine.variants.manual import manual


class AutoAgentsOptions(Options):
    """Defaults of the release."""

    drafts: int = Field(3, ge=1, le=20, description="Drafts of team and plan at most (release: 3).")
    turns: int = Field(5, ge=1, le=50, description="Turns of a role in a step at most (release: 5).")
    steps: int = Field(
        8, ge=1, le=50, description="Steps of a plan at most (ours; the release limits only the money)."
    )


VARIANT = manual("autoagents", AutoAgentsOptions, lambda _: None)  # a team may be of any size
