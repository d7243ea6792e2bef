"""Messages that no end of a line writes: whatever a solution sends in place of its answer, no test passes by it."""

# ruff: noqa: E501 - messages read best one a line

from __future__ import annotations

import pytest

from sandbox import Limits, Pool
from sandbox.types import ModeChoice
from tests.sandbox.helpers import assert_healthy

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

LIMITS = Limits(cpu_s=1, wall_s=15, processes=24, memory_mb=256)
TESTS = [
    "want = [30017]\nassert f(1, [2]) == 30017 and want == [30017]",
    "def check(candidate):\n    assert candidate(2, [3]) == 40019",
]
_CLASS = '{"name":"L","qualname":"L","doc":null,"special":["__eq__","__hash__","__str__"],"hashable":true,"own":true,"methods":[]'
MESSAGES = {
    "an object": '{"op":"value","v":[[7]],"n":[[7,"h","object",[8]],[8,"C",CLASS,"kind":"object"},[],[]]]}',
    "a class of an unknown kind": '{"op":"value","v":[[7]],"n":[[7,"i",[8],["x",0]],[8,"C",CLASS,"kind":"other"},[[9]],[]],[9,"n","builtins.int"]]}',
    "an exception that is none": '{"op":"value","v":[[7]],"n":[[7,"i",[8],["x",0]],[8,"C",CLASS,"kind":"exception"},[[9]],[]],[9,"n","builtins.int"]]}',
    "an enum with equality for a member": '{"op":"value","v":[[7]],"n":[[7,"E",[8],"A"],[8,"C",CLASS,"kind":"enum","enum":"Enum"},[],[["A",1],["__eq__",[9]]]],[9,"h","function","f"]]}',
    "an enum that makes its values": '{"op":"value","v":[[7]],"n":[[7,"E",[8],"A"],[8,"C",CLASS,"kind":"enum","enum":"Enum"},[],[["_missing_",[9]],["A",1]]],[9,"h","function","f"]]}',
    "a namedtuple with a field of code": '{"op":"value","v":[[7]],"n":[[7,"i",[8],["t",[1]]],[8,"C",CLASS,"kind":"namedtuple","fields":["x=(1).__class__"]},[],[]]]}',
    "a kind that is not on the list": '{"op":"value","v":[[7]],"n":[[7,"k","os.system",["id"]]]}',
    "a class that is not on the list": '{"op":"value","v":[[7]],"n":[[7,"n","subprocess.Popen"]]}',
    "a judge's error": '{"op":"raised","v":[[7]],"n":[[7,"e",[8],["passed"],null,null,false,[]],[8,"n","guest.judge.BadAnswerError"]]}',
    "something raised that is no exception": '{"op":"raised","v":[0],"n":[]}',
    "a class raised that is no exception": '{"op":"raised","v":[[7]],"n":[[7,"e",[8],[],null,null,false,[]],[8,"n","builtins.int"]]}',
    "its own cause": '{"op":"raised","v":[[7]],"n":[[7,"e",[8],[],[7],null,false,[]],[8,"n","builtins.KeyError"]]}',
    "a tuple of itself": '{"op":"value","v":[[7]],"n":[[7,"t",[[7]]]]}',
    "the test's argument, turned": '{"op":"value","v":[30016],"n":[[-1,"d",["a",1],"dict",null],[-2,"d",["a",1],"dict",null],[-3,"l",[30017]]]}',
    "an object that was never passed": '{"op":"value","v":[[-99]],"n":[]}',
    "numbers taken over": '{"op":"value","v":[0],"n":[[1,"l",[]],[2,"l",[]],[-1,"l",[]],[-2,"h","function","f"]]}',
    "everything forgotten": '{"op":"value","v":[0],"n":[],"drop":[1,2,3,-1,-2,-3,"x"]}',
    "a call of the test": '{"op":"call","name":"","v":[[-1],1],"n":[]}',
    "something settled": '{"op":"settle","name":"","v":[null,0,30017],"n":[]}',
    "an unknown request": '{"op":"exec","name":"","v":[null,"pass"],"n":[]}',
    "more values than one": '{"op":"value","v":[30017,30017],"n":[]}',
    "no value": '{"op":"value","v":[],"n":[]}',
    "no rows": '{"op":"value","v":[1]}',
    "rows that are none": '{"op":"value","v":[1],"n":{"7":["l"]}}',
    "rows of nothing": '{"op":"value","v":[[7]],"n":[[]]}',
    "a refusal that is none": '{"op":"bad","reason":"passed","message":{"status":"passed"}}',
    "loaded once more": '{"loaded":true,"v":[[7]],"n":[[7,"h","function","f"]]}',
    "a set of what has no hash": '{"op":"value","v":[[7]],"n":[[7,"s",[[8]]],[8,"l",[]]]}',
    "a catastrophe of a pattern": '{"op":"value","v":[[7]],"n":[[7,"k","re.Match",[[8],"%s!",0,99,[9]]],[8,"k","re.Pattern",["(a|a)*b",0]],[9,"t",[0,9]]]}' % ("a" * 40),
    "nothing but depth": '{"op":"value","v":' + "[" * 900 + "]" * 900 + ',"n":[]}',
}  # fmt: skip
_SEND = (
    "import os, stat\nDATA = {body!r}.encode()\ndef f(*a):\n    for fd in range(3, 24):\n        try:\n"
    "            if stat.S_ISSOCK(os.fstat(fd).st_mode):\n                os.write(fd, len(DATA).to_bytes(4, 'big') + DATA)\n"
    "        except OSError:\n            pass\n    return 0"
)


@pytest.mark.parametrize("mode", ["split", "objects"])
@pytest.mark.parametrize("name", MESSAGES)
async def test_no_message_passes_a_test(sandbox: Pool, name: str, mode: ModeChoice) -> None:
    code = _SEND.replace("{body!r}", repr(MESSAGES[name].replace("CLASS", _CLASS)))
    verdict = await sandbox.check(code, TESTS, entry_point="f", limits=LIMITS, mode=mode)
    assert (verdict.mode, verdict.passed) == (mode, 0), verdict
    assert verdict.status not in ("passed", "infra"), verdict
    await assert_healthy(sandbox)
