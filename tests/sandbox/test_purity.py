"""Which tests the checker that stays may run: those that can leave nothing behind."""

from __future__ import annotations

import ast

import pytest

from sandbox.guest import purity

PURE = [
    "assert f(1) == 2",
    "def check(candidate):\n    assert candidate(1) == 2, 'one'\n    assert not candidate(2) != 3",
    "import math\nassert math.isclose(f(1), 2, abs_tol=1e-6)",
    "from math import sqrt as root\nassert root(4) == 2",
    "from typing import Dict, List\ndef g(x: List[int]) -> Dict[str, int]:\n    return {'a': len(x)}",
    "for a, b in [(1, 2), (2, 3)]:\n    assert f(a) == b",
    "assert all(abs(f(x) - x) <= 1 for x in range(3)) and sorted([2, 1], key=lambda x: -x) == [2, 1]",
    "try:\n    f('a')\nexcept (TypeError, ValueError) as error:\n    caught = True\nassert caught",
    "assert type(f(1)) == int and type(f(1)) is not str",
    "x = [1]\nx.append(2)\nx[0] += 1\ndel x[1]\nassert x == [2] and f'{x[0]:03d}' == '002'",
    "METADATA = {'author': 'jt'}\nassert (lambda y: f(y))(1) == 2",
    "while f(1) != 2:\n    break\nelse:\n    pass\nassert 'a,b'.split(',') == ['a', 'b']",
]
IMPURE = [
    "import random\nrandom.seed(1)\nassert f(1) == 2",
    "import os, sys\nassert f(1) == 2",
    "import typing\ntyping.sys.modules.clear()",
    "from typing import *",
    "from math import *",
    "from . import frames",
    "from math import __loader__",
    "import math\nmath.pi = 3",
    "import math as __builtins__",
    "del math.pi",
    "exec('x = 1')",
    "eval('1')",
    "print(f(1))",
    "open('/tmp/x', 'w')",
    "getattr(f, 'x')",
    "setattr(f, 'x', 1)",
    "e = eval\nassert e('1')",
    "def g():\n    eval('1')\ndef h():\n    eval = 1\n",
    "def eval(x):\n    return x",
    "def g(getattr):\n    return getattr",
    "[globals for globals in []]",
    "try:\n    pass\nexcept ValueError as vars:\n    pass",
    "f.__globals__",
    "().__class__.__base__.__subclasses__()",
    "f.cache = {}",
    "(x for x in []).gi_frame",
    "(x for x in []).gi_frame.f_builtins['len'] = None",
    "'{0.__class__}'.format(1)",
    "'{x.__class__}'.format_map({'x': 1})",
    "__builtins__['len'] = None",
    "__import__('os')",
    "class C:\n    def __del__(self):\n        pass",
    "type('C', (), {})",
    "t = type\nt('C', (), {})",
    "type(*['C', (), {}])",
    "type(1, **{})",
    "isinstance(1, type)",
    "@staticmethod\ndef g():\n    pass",
    "def g():\n    yield 1",
    "async def g():\n    pass",
    "with open('x') as y:\n    pass",
    "global x",
    "match 1:\n    case int():\n        pass",
    "raise SystemExit",
    "try:\n    f(1)\nexcept BaseException:\n    pass",
    "breakpoint()",
    "input()",
    "memoryview(b'')",
    "super()",
    "assert f(1) == 2, id(f)",
]


@pytest.mark.parametrize("source", PURE)
def test_tests_that_only_compute_are_pure(source: str) -> None:
    assert purity.pure([ast.parse(source)])


@pytest.mark.parametrize("source", IMPURE)
def test_what_could_leave_something_is_not(source: str) -> None:
    assert not purity.pure([ast.parse(source)])
    assert not purity.pure([ast.parse("assert f(1) == 2"), ast.parse(source)])
