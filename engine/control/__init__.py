"""Live control: stop a run at a crossing, look, change what passes, go on."""

from engine.control.breakpoints import Breakpoint, BreakpointError, parse_breakpoint
from engine.control.control import Control, ControlError, Pass, Stop
from engine.control.crossing import Crossing, Where

__all__ = [
    "Breakpoint",
    "BreakpointError",
    "Control",
    "ControlError",
    "Crossing",
    "Pass",
    "Stop",
    "Where",
    "parse_breakpoint",
]
