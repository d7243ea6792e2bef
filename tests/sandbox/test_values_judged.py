"""What a solution returns and raises is judged from outside as what it is, and a wrong one is still wrong.

Each case: a solution, a test that it passes, the mode that the test's text asks for, and a way to spoil the
solution: what is replaced in it, and by what.
"""

# ruff: noqa: E501 - guest programs read best with a statement a line

from __future__ import annotations

import pytest

from sandbox import Limits, Pool
from tests.sandbox.helpers import assert_healthy

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.either_backend]

LIMITS = Limits(cpu_s=5)
Case = tuple[str, str, str, tuple[str, str]]
CASES: dict[str, Case] = {
    "dates": (
        "from datetime import date, timedelta\ndef f(s, n):\n    return date.fromisoformat(s) + timedelta(days=n)",
        "from datetime import date\nassert f('2023-02-27', 2) == date(2023, 3, 1)\nassert f('2024-02-27', 2).isoformat() == '2024-02-29'",
        "split", ("days=n", "days=n + 1"),
    ),
    "dates as arguments": (
        "def f(days):\n    return max(days) - min(days)",
        "from datetime import datetime, timedelta\nassert f([datetime(2024, 1, 1), datetime(2024, 1, 3, 6)]) == timedelta(days=2, hours=6)",
        "split", ("max(days) -", "min(days) -"),
    ),
    "a time zone": (
        "from datetime import *\ndef f(h):\n    return datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=h)))",
        "assert f(-3).utcoffset().total_seconds() == -10800\nassert f(1) < f(0)",
        "split", ("hours=h", "hours=-h"),
    ),
    "decimals and fractions": (
        "from decimal import Decimal\nfrom fractions import Fraction\ndef f(a, b):\n    return Decimal(a) / b, Fraction(a, b)",
        "x, y = f(1, 8)\nassert str(x) == '0.125' and y.denominator == 8 and y + 1 == 1.125",
        "split", ("/ b", "// b"),
    ),
    "a path": (
        "from pathlib import Path\ndef f(s):\n    return Path(s).with_suffix('.txt')",
        "from pathlib import Path\nassert f('a/b.c') == Path('a/b.txt') and f('x').suffix == '.txt' and str(f('y').parent) == '.'",
        "split", ("'.txt'", "'.md'"),
    ),
    "a match": (
        "import re\ndef f(s):\n    return re.search(r'(?P<year>\\d{4})-(\\d\\d)', s)",
        "m = f('on 2024-05')\nassert m and m['year'] == '2024' and m.groups() == ('2024', '05') and m.start() == 3\nassert f('no') is None",
        "split", ("\\d{4}", "\\d{3}"),
    ),
    "enums by name": (
        "from enum import Enum\nclass Colour(Enum):\n    RED = 1\n    GREEN = 'g'\n    def shout(self):\n        return self.name + '!'\ndef f(x):\n    return Colour(x)",
        "assert f(1) is Colour.RED and f('g').value == 'g'\nassert [c.name for c in Colour] == ['RED', 'GREEN'] and f(1).shout() == 'RED!'",
        "objects", ("'!'", "'?'"),
    ),
    "an enum of numbers": (
        "from enum import IntEnum\nclass P(IntEnum):\n    LOW = 1\n    HIGH = 3\ndef f(n):\n    return P.HIGH if n else P.LOW",
        "assert f(0) == 1 and f(1) > f(0) and f(1) + 1 == 4 and f(1).name == 'HIGH'",
        "split", ("HIGH = 3", "HIGH = 4"),
    ),
    "flags": (
        "from enum import Flag, auto\nclass A(Flag):\n    R = auto()\n    W = auto()\ndef f(s):\n    return (A.R if 'r' in s else A(0)) | (A.W if 'w' in s else A(0))",
        "assert f('rw').value == 3 and f('w').name == 'W' and not f('')",
        "split", ("'w' in s", "'x' in s"),
    ),
    "a namedtuple": (
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(a, b):\n    return P(b, a)",
        "p = f(1, 2)\nassert p == (2, 1) and p.x == 2 and p._asdict() == {'x': 2, 'y': 1} and repr(p) == 'P(x=2, y=1)'\nx, y = p",
        "objects", ("P(b, a)", "P(a, b)"),
    ),
    "a dataclass": (
        "from dataclasses import dataclass, field\n@dataclass(order=True)\nclass D:\n    n: int\n    tags: list = field(default_factory=list)\n    def double(self):\n        return self.n * 2\ndef f(n):\n    return D(n)",
        "import dataclasses\nd = f(3)\nassert d == D(3) != D(4) and d.double() == 6 and f(1) < f(2)\nd.tags.append('t')\nassert d.tags == ['t'] and dataclasses.asdict(d) == {'n': 3, 'tags': ['t']} and repr(f(1)) == 'D(n=1, tags=[])'",
        "objects", ("* 2", "* 3"),
    ),
    "missing keys": (
        "from collections import Counter, defaultdict\ndef f(s):\n    d = defaultdict(lambda: 7)\n    d.update({s: 1})\n    return Counter(s), d",
        "c, d = f('aab')\nassert c['z'] == 0 and c.most_common(1) == [('a', 2)] and d['q'] == 7 and d['aab'] == 1 and 'q' in d",
        "split", (": 7", ": 8"),
    ),
    "an ordered dict": (
        "from collections import OrderedDict\ndef f():\n    d = OrderedDict(a=1, b=2)\n    d.move_to_end('a')\n    return d",
        "d = f()\nassert list(d) == ['b', 'a']\nd.move_to_end('b')\nassert list(d) == ['a', 'b']",
        "split", ("move_to_end('a')", "move_to_end('b')"),
    ),
    "a closure": (
        "def f(n):\n    def add(x):\n        nonlocal n\n        n += x\n        return n\n    return add",
        "a, b = f(1), f(10)\nassert [a(1), a(1), b(5)] == [2, 3, 15]",
        "split", ("n += x", "n += 1"),
    ),
    "a function that takes functions": (
        "def f(*steps):\n    def run(x):\n        for step in steps:\n            x = step(x)\n        return x\n    return run",
        "assert f(lambda x: x + 1, str, len)(99) == 3\nassert f(abs, [7, 8].__getitem__)(-1) == 8",
        "split", ("step(x)", "x"),
    ),
    "arguments by any name": (
        "def f(self, op, target=1, *, name, args=0, cls=0):\n    return lambda self=0, name=name: [self, op, target, name, args, cls]",
        "assert f(1, op=2, name='n', target=3)() == [0, 2, 3, 'n', 0, 0]\nassert f(self=1, op='a', name=1, args=5, cls=6)(name=9, self=8) == [8, 'a', 1, 9, 5, 6]",
        "split", ("target=1", "target=2"),
    ),
    "callable objects": (
        "class Scale:\n    def __init__(self, *, name, cls=1):\n        self.name, self.cls = name, cls\n    def __call__(self, x, *, self_=0, name=''):\n        return x * self.cls, self.name + name",
        "s = Scale(name='a', cls=3)\nassert s(2, name='b') == (6, 'ab') and callable(s) and not callable(s.name)",
        "objects", ("x * self.cls", "x + self.cls"),
    ),
    "a decorator": (
        "import functools\ndef f(times):\n    def outer(fn):\n        @functools.wraps(fn)\n        def inner(*a, **k):\n            return [fn(*a, **k) for _ in range(times)]\n        return inner\n    return outer",
        "@f(2)\ndef g(a, b=1):\n    return a + b\nassert g(1, b=4) == [5, 5] and g.__name__ == 'g'",
        "split", ("range(times)", "range(3)"),
    ),
    "an error from a function of the test's": (
        "def f(fn):\n    try:\n        return fn()\n    except KeyError as e:\n        return e.args",
        "def bad():\n    raise KeyError('k', 2)\nassert f(bad) == ('k', 2)",
        "split", ("e.args", "e.args[0]"),
    ),
    "an endless generator": (
        "def f():\n    a, b = 0, 1\n    while True:\n        yield a\n        a, b = b, a + b",
        "from itertools import islice\nimport types\ng = f()\nassert isinstance(g, types.GeneratorType) and next(g) == 0\nassert list(islice(g, 6)) == [1, 1, 2, 3, 5, 8]\nassert sum(x % 2 for x in islice(f(), 900)) == 600",
        "split", ("b = 0, 1", "b = 1, 1"),
    ),
    "a generator that is spoken to": (
        "def f():\n    total = 0\n    try:\n        while True:\n            total += (yield total) or 0\n    except ValueError:\n        yield 'stopped'\n    return total",
        "g = f()\nassert [next(g), g.send(5), g.send(2)] == [0, 5, 7] and g.throw(ValueError('x')) == 'stopped'\ntry:\n    next(g)\nexcept StopIteration as stop:\n    assert stop.value == 7\nelse:\n    assert False",
        "split", ("total += ", "total -= "),
    ),
    "a lazy generator": (
        "def f(log):\n    for n in range(5):\n        log.append(n)\n        yield n",
        "log = []\ng = f(log)\nassert log == []\nnext(g)\nassert log == [0]\nnext(g)\nassert log == [0, 1]",
        "split", ("def f(log):\n", "def f(log):\n    log.append(-1)\n    return iter(g(log))\ndef g(log):\n"),
    ),
    "an iterator of a class": (
        "class Down:\n    def __init__(self, n):\n        self.n = n\n    def __iter__(self):\n        return self\n    def __next__(self):\n        if not self.n:\n            raise StopIteration\n        self.n -= 1\n        return self.n\ndef f(n):\n    return Down(n)",
        "assert list(f(3)) == [2, 1, 0] and sum(f(4)) == 6",
        "split", ("-= 1", "-= 2 if self.n > 1 else 1"),
    ),
    "an iterator of the test's": (
        "def f(items):\n    return sum(next(items) for _ in range(3))",
        "import itertools\nc = itertools.count(5)\nassert f(c) == 18 and next(c) == 8\nassert f(x * x for x in range(9)) == 5",
        "split", ("range(3)", "range(2)"),
    ),
    "an async function": (
        "import asyncio\nasync def f(x):\n    await asyncio.sleep(0.001)\n    if x < 0:\n        raise ValueError(x)\n    return x * 2",
        "import asyncio\nasync def main():\n    try:\n        await f(-1)\n    except ValueError as e:\n        return [await f(1), await f(2), e.args]\nassert asyncio.run(main()) == [2, 4, (-1,)]\nassert asyncio.iscoroutine(c := f(3)) and asyncio.run(c) == 6",
        "split", ("* 2", "* 3"),
    ),
    "an async generator": (
        "async def f(n):\n    for i in range(n):\n        yield i",
        "import asyncio\nasync def main():\n    return [x async for x in f(3)]\nassert asyncio.run(main()) == [0, 1, 2]",
        "split", ("range(n)", "range(n + 1)"),
    ),
    "arguments of an exception": (
        "def f(k):\n    raise KeyError(k, {'at': 3})",
        "try:\n    f('a')\nexcept KeyError as e:\n    assert e.args == ('a', {'at': 3})\nelse:\n    assert False",
        "split", ("(k, {", "(str(k) * 2, {"),
    ),
    "cause and context": (
        "def f(s):\n    try:\n        return int(s)\n    except ValueError as e:\n        raise RuntimeError('bad') from e",
        "try:\n    f('x')\nexcept RuntimeError as e:\n    assert type(e.__cause__) is ValueError and 'x' in str(e.__cause__) and e.__context__ is e.__cause__\nelse:\n    assert False",
        "split", ("from e", "from None"),
    ),
    "an exception of its own": (
        "class NoMoney(ValueError):\n    def __init__(self, lacking):\n        super().__init__(f'lacks {lacking}')\n        self.lacking = lacking\ndef f(n):\n    raise NoMoney(n)",
        "try:\n    f(3)\nexcept NoMoney as e:\n    assert isinstance(e, ValueError) and e.lacking == 3 and str(e) == 'lacks 3' and type(e).__name__ == 'NoMoney'\nelse:\n    assert False",
        "split", ("self.lacking = lacking", "self.lacking = 0"),
    ),
    "an error of the system": (
        "def f():\n    raise FileNotFoundError(2, 'gone', 'a.txt')",
        "try:\n    f()\nexcept OSError as e:\n    assert (e.errno, e.filename, type(e)) == (2, 'a.txt', FileNotFoundError)\nelse:\n    assert False",
        "split", ("'a.txt'", "'b.txt'"),
    ),
    "a group of exceptions": (
        "def f():\n    raise ExceptionGroup('many', [ValueError(1), KeyError('k')])",
        "seen = []\ntry:\n    f()\nexcept* ValueError as g:\n    seen += g.exceptions\nexcept* KeyError as g:\n    seen += g.exceptions\nassert [type(e) for e in seen] == [ValueError, KeyError]",
        "split", ("KeyError('k')", "ValueError(2)"),
    ),
    "identity": (
        "def f(xs, box):\n    box['xs'] = xs\n    return xs",
        "a, box = [1], {}\nassert f(a, box) is a and box['xs'] is a\na.append(2)\nassert box == {'xs': [1, 2]}",
        "split", ("return xs", "return list(xs)"),
    ),
    "rows that must not be one row": (
        "def f(n):\n    return [[0] * n for _ in range(n)]",
        "g = f(3)\ng[0][0] = 1\nassert g == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]",
        "split", ("[[0] * n for _ in range(n)]", "[[0] * n] * n"),
    ),
    "a cycle": (
        "def f(names):\n    first = node = {'name': names[0]}\n    for name in names[1:]:\n        node['next'] = node = {'name': name}\n    node['next'] = first\n    return first",
        "n = f('abc')\nassert n['next']['next']['next'] is n",
        "split", ("= first\n    return", "= dict(first)\n    return"),
    ),
    "a large result": (
        "def f(n):\n    return list(range(n)), 'é' * n, {i: i for i in range(n // 10)}",
        "a, b, c = f(1_000_000)\nassert len(a) == len(b) == 10 * len(c) == 10**6 and a[-1] == 999_999",
        "split", ("range(n))", "range(n)[::-1])"),
    ),
    "a deep result": (
        "def f(n):\n    x = ()\n    for i in range(n):\n        x = [x, i]\n    return x",
        "x, depth = f(2000), 0\nwhile x:\n    x, depth = x[0], depth + 1\nassert depth == 2000",
        "split", ("range(n)", "range(n - 1)"),
    ),
    "a class": (
        "class Stack:\n    made = 0\n    def __init__(self, items=()):\n        self.items = list(items)\n        Stack.made += 1\n    def push(self, x):\n        self.items.append(x)\n        return self\n    def __len__(self):\n        return len(self.items)\n    def __getitem__(self, i):\n        return self.items[i]\n    def __contains__(self, x):\n        return x in self.items\n    def __iter__(self):\n        return iter(self.items)\n    @property\n    def top(self):\n        return self.items[-1]\n    @classmethod\n    def of(cls, *items):\n        return cls(items)",
        "s = Stack()\nassert not s and s.push(3).push(4) is s and len(s) == 2 and s[0] == 3 and 4 in s and 5 not in s and list(s) == [3, 4]\ns.items.append(9)\nassert s.top == 9\nn = Stack.made\nassert isinstance(Stack.of(1), Stack) and Stack.made == n + 1\ns.items = []\nassert not s",
        "objects", ("made += 1", "made += 2"),
    ),
    "operators": (
        "class V:\n    def __init__(self, x, y):\n        self.x, self.y = x, y\n    def __add__(self, o):\n        return V(self.x + o.x, self.y + o.y)\n    def __rmul__(self, k):\n        return V(k * self.x, k * self.y)\n    def __eq__(self, o):\n        return isinstance(o, V) and (self.x, self.y) == (o.x, o.y)\n    def __hash__(self):\n        return hash((self.x, self.y))",
        "assert V(1, 2) + V(3, 4) == V(4, 6) != V(4, 7) and 2 * V(1, 2) == V(2, 4) and len({V(1, 2), V(1, 2)}) == 1 and V(1, 2) != (1, 2)",
        "objects", ("k * self.y)", "self.y)"),
    ),
    "an object that equals plain values": (
        "class M:\n    def __init__(self, n):\n        self.n = n\n    def __eq__(self, o):\n        return self.n == getattr(o, 'n', o)\n    def __lt__(self, o):\n        return self.n < o",
        "m = M(5)\nassert m.n == 5 and m == 5 and m != 6 and m == M(5) and m < 9",
        "objects", ("return self.n == ", "return -self.n == "),
    ),
    "a class that derives from a plain one": (
        "class Rising(list):\n    def append(self, x):\n        super().append(x)\n        self.sort()\n    def first(self):\n        return self[0]\ndef f(xs):\n    r = Rising()\n    for x in xs:\n        r.append(x)\n    return r",
        "r = f([3, 1])\nassert r == [1, 3] and r.first() == 1 and isinstance(r, list)\nr.append(2)\nassert r == [1, 2, 3]",
        "objects", ("self.sort()", "self.reverse()"),
    ),
    "bases and overriding": (
        "from abc import ABC, abstractmethod\nclass Shape(ABC):\n    @abstractmethod\n    def area(self): ...\nclass Square(Shape):\n    def __init__(self, a):\n        self.a = a\n    def area(self):\n        return self.a ** 2",
        "s = Square(3)\nassert s.area() == 9 and isinstance(s, Shape) and issubclass(Square, Shape)\ntry:\n    Shape()\nexcept TypeError:\n    pass\nelse:\n    assert False",
        "objects", ("** 2", "** 3"),
    ),
    "a linked list": (
        "class Node:\n    def __init__(self, value, next=None):\n        self.value, self.next = value, next\ndef f(xs):\n    head = None\n    for x in reversed(xs):\n        head = Node(x, head)\n    return head",
        "n = f([1, 2])\nassert n.value == 1 and n.next.value == 2 and n.next.next is None\nm = Node(0, n)\nassert m.next is n",
        "objects", ("in reversed(xs)", "in xs"),
    ),
    "a context manager": (
        "class Timer:\n    def __enter__(self):\n        self.log = ['in']\n        return self.log\n    def __exit__(self, kind, error, trace):\n        self.log.append(kind and kind.__name__)\n        return kind is KeyError",
        "t = Timer()\nwith t as log:\n    raise KeyError('x')\nassert log == ['in', 'KeyError'] and t.log is log",
        "objects", ("kind is KeyError", "kind is None"),
    ),
    "copies": (
        "import copy\nclass Bag:\n    def __init__(self):\n        self.items = [[1]]\n    def clone(self):\n        return copy.deepcopy(self)",
        "import copy\nb = Bag()\nc, d, e = copy.copy(b), copy.deepcopy(b), b.clone()\nb.items[0].append(2)\nassert [x.items for x in (b, c, d, e)] == [[[1, 2]], [[1, 2]], [[1]], [[1]]]",
        "objects", ("deepcopy", "copy"),
    ),
    "a cache": (
        "from functools import lru_cache\n@lru_cache(None)\ndef f(n):\n    'counts'\n    return n if n < 2 else f(n - 1) + f(n - 2)",
        "assert f(30) == 832040 and f.cache_info().currsize == 31 and f.__doc__ == 'counts' and f.__name__ == 'f'",
        "split", ("@lru_cache(None)", "@lru_cache(8)"),
    ),
    "seeds": (
        "import random\ndef f(n):\n    return [random.randint(0, 9) for _ in range(n)]",
        "import random\nrandom.seed(4)\na, b = f(9), f(9)\nrandom.seed(4)\nassert f(9) == a != b\nrandom.seed(4)\nassert a == [random.randint(0, 9) for _ in range(9)]",
        "split", ("randint(0, 9)", "choice([0, 9])"),
    ),
    "classes as values": (
        "import datetime\ndef f(x):\n    return type(x), datetime.date, type(None), ..., NotImplemented",
        "import datetime\nassert f([]) == (list, datetime.date, type(None), ..., NotImplemented)",
        "split", ("type(x)", "type(0)"),
    ),
    "a helper that the problem provides": (
        "def f(x):\n    return provided(x) + floor(0.5)",
        "assert f(3) == provided(3) == 6 and encode(2) == -2",
        "split", ("floor(0.5)", "1"),
    ),
    "unittest": (
        "def f(x):\n    if x < 0:\n        raise ValueError('negative')\n    return [x]",
        "import unittest\nclass T(unittest.TestCase):\n    def setUp(self):\n        self.n = 3\n    def test_a(self):\n        self.assertEqual(f(self.n), [3])\n    def test_b(self):\n        with self.assertRaisesRegex(ValueError, 'nega'):\n            f(-1)",
        "split", ("'negative'", "'wrong'"),
    ),
}  # fmt: skip
PRELUDE = "from math import floor\ndef provided(x):\n    return 2 * x\ndef f(x):\n    'the prompt's own, without a body'\n"


@pytest.mark.parametrize("name", CASES)
async def test_a_right_one_passes_and_a_wrong_one_does_not(sandbox: Pool, name: str) -> None:
    code, test, mode, (part, other) = CASES[name]
    entry_point = "f" if "def f(" in code else test.split("(")[0].split("= ")[-1].split()[-1]
    code += "\ndef encode(x):\n    return -x"
    prelude = PRELUDE.replace("prompt's", "prompt") if "provided" in code else ""
    good = await sandbox.check(code, [test], entry_point=entry_point, prelude=prelude, limits=LIMITS)
    assert (good.status, good.mode) == ("passed", mode), good
    assert code.count(part) == 1, "what is spoilt is one place"
    bad = await sandbox.check(
        code.replace(part, other), [test], entry_point=entry_point, prelude=prelude, limits=LIMITS
    )
    assert (bad.status, bad.mode) == ("failed", mode), bad
    assert bad.reason not in ("not-plain-data", "no-verdict", "load"), bad
    await assert_healthy(sandbox)
