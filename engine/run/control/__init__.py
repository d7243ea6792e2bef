"""Live control: stop a run at a crossing, look, change what passes, go on."""

from engine.run.control.breakpoints import Breakpoint, BreakpointError, parse_breakpoint
from engine.run.control.control import Control, ControlError, Pass, ReadLocals, Stop
from engine.run.control.crossing import Crossing, Where

__all__ = [
    "Breakpoint",
    "BreakpointError",
    "Control",
    "ControlError",
    "Crossing",
    "Pass",
    "ReadLocals",
    "Stop",
    "Where",
    "parse_breakpoint",
]
