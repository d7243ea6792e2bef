"""What a run consists of, as the screens see it: plain data that `tui.trace.state` fills in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

# Kind and identity of one row of the step tree.
Key = tuple[str, str]

RUNNING = "running"
WAITING = "waiting"
FAILURES = ("failed", "error", "infra", "budget", "timeout", "timeout-wall", "timeout-cpu", "oom", "tampered")


@dataclass(frozen=True)
class StopState:
    """Where a run stands still, and the workflow's variables there (None where they were not read)."""

    where: str
    reason: str
    operator: str | None
    line: int | None
    step: Key | None
    locals: Any

    @property
    def words(self) -> str:
        place = " ".join(p for p in (self.where, self.operator) if p)
        return f"{place}, line {self.line}" if self.line else place


class Buffer:
    """Text that grows by small pieces and is read rarely; joined only when read."""

    __slots__ = ("_length", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0

    def append(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self._length += len(text)

    def replace(self, text: str) -> None:
        self._pieces = [text] if text else []
        self._length = len(text)

    def __copy__(self) -> Buffer:
        other = Buffer()
        other.replace(self.text)
        return other

    def __len__(self) -> int:
        return self._length

    @property
    def text(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""


@dataclass
class Node:
    """A row of the step tree: its state, when it started, and what it cost."""

    starts_open: ClassVar[bool] = False  # whether the tree shows what is inside without being asked

    key: Key
    parent: Key | None
    status: str = RUNNING
    started: float = 0.0
    wall_ms: float | None = None
    children: list[Key] = field(default_factory=list)
    ended: float | None = None  # seconds on the run's clock, as `started` is
    of: int = 0  # the state that may change it; others copy it first

    def copied(self) -> Self:
        """A node like this whose own parts can change without changing this one's."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, list | Buffer | Spent):
                setattr(other, name, copy.copy(value))
        return other

    @property
    def tokens(self) -> int | None:
        return None

    @property
    def cost_usd(self) -> float | None:
        return None

    @property
    def cost_shown(self) -> bool:
        """Whether this kind of node costs anything; unknown and not applicable are different."""
        return False


@dataclass(frozen=True)
class Retry:
    """The endpoint failed and is asked again."""

    attempt: int
    reason: str
    wait_s: float
    at: float = 0.0


@dataclass(frozen=True)
class Pause:
    """The run stood still from `started` to `ended` (None: it still does), seconds on its clock."""

    started: float
    ended: float | None


@dataclass
class Spent:
    """Sums of tokens and money; `cost_usd` is None as soon as one part is unknown."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = 0.0
    calls: int = 0

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out

    def add(self, tokens_in: int, tokens_out: int, cost_usd: float | None, calls: int = 1) -> None:
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.calls += calls
        self.cost_usd = None if self.cost_usd is None or cost_usd is None else self.cost_usd + cost_usd


@dataclass
class CallNode(Node):
    """A call to the meta-agent or to a worker."""

    role: str = "worker"
    model: str = ""
    round: int = 0
    messages: tuple[dict[str, str], ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    reasoning: Buffer = field(default_factory=Buffer)
    text: Buffer = field(default_factory=Buffer)
    retries: list[Retry] = field(default_factory=list)
    finish: str = ""
    flags: tuple[str, ...] = ()
    error: str | None = None
    ttft_ms: float | None = None
    spent: Spent = field(default_factory=Spent)

    @property
    def tokens(self) -> int | None:
        return self.spent.tokens if self.spent.calls else None

    @property
    def cost_usd(self) -> float | None:
        return self.spent.cost_usd

    @property
    def cost_shown(self) -> bool:
        return self.spent.calls > 0


@dataclass
class ProposalNode(Node):
    """A workflow as parsed from a completion, with what the checks said."""

    round: int = 0
    workflow_id: str | None = None
    code: str = ""
    prompts: str = ""
    modification: str = ""
    strict_ok: bool = False
    diagnostics: tuple[Mapping[str, Any], ...] = ()
    repairs: tuple[Mapping[str, Any], ...] = ()
    graph: Mapping[str, Any] = field(default_factory=dict)
    complexity: int = 0

    @property
    def verdict(self) -> str:
        """`valid`, `repaired` or `invalid`: strict and repaired outcomes are different results."""
        if self.workflow_id is None:
            return "invalid"
        return "valid" if self.strict_ok else "repaired"


@dataclass
class CodeNode(Node):
    """Code that ran in the sandbox on behalf of a step."""

    purpose: str = "program"
    code: str = ""
    verdict: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Mapping[str, str], ...] = ()


@dataclass
class EvaluationNode(Node):
    """An answer, scored in a fresh sandbox."""

    split: str = "val"
    repeat: int = 0
    score: float | None = None
    passed: int = 0
    total: int = 0
    strict: bool = True
    written_by: str = "author"
    verdict: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class StepNode(Node):
    """One operator call."""

    execution_id: str = ""
    index: int = 0
    operator: str = ""
    line: int | None = None
    call_key: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    output: Any = None
    error: str | None = None
    reused: bool = False
    concurrent: bool = False
    edited: tuple[str, ...] = ()  # what a person changed of it
    cpu_ms: float | None = None
    stdout: str = ""
    notes: tuple[Mapping[str, Any], ...] = ()  # what the operator had to do to replies
    spent: Spent = field(default_factory=Spent)

    @property
    def tokens(self) -> int | None:
        return self.spent.tokens

    @property
    def cost_usd(self) -> float | None:
        return self.spent.cost_usd

    @property
    def cost_shown(self) -> bool:
        return self.spent.calls > 0


@dataclass
class ExecutionNode(Node):
    """One execution of a workflow in its container."""

    starts_open: ClassVar[bool] = True

    workflow_id: str = ""
    round: int = 0
    repeat: int = 0
    purpose: str = "val"
    container_id: str = ""
    answer: str | None = None
    error: str | None = None
    stdout: str = ""
    cpu_ms: float | None = None
    spent: Spent = field(default_factory=Spent)

    @property
    def tokens(self) -> int | None:
        return self.spent.tokens

    @property
    def cost_usd(self) -> float | None:
        return self.spent.cost_usd

    @property
    def cost_shown(self) -> bool:
        return self.spent.calls > 0


@dataclass
class RoundNode(Node):
    """Propose, check, run, feedback."""

    starts_open: ClassVar[bool] = True

    number: int = 0
    workflow_id: str | None = None
    score: float | None = None
    feedback: str = ""
    spent: Spent = field(default_factory=Spent)

    @property
    def tokens(self) -> int | None:
        return self.spent.tokens

    @property
    def cost_usd(self) -> float | None:
        return self.spent.cost_usd

    @property
    def cost_shown(self) -> bool:
        return self.spent.calls > 0


@dataclass
class NoticeNode(Node):
    """A sentence the user should see."""

    level: str = "info"
    text: str = ""
