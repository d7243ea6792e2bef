"""Where the solution is in a reply: forms of fences, what stands around them, and several blocks."""

# ruff: noqa: E501 - sources read best in one piece

from __future__ import annotations

import ast
import time

import pytest

from engine.guest.syntax import MAX_CHARS, TooLongError, parses, syntax_tree
from engine.operators.support import extract_code

CODE = "def area(r):\n    return 3 * r * r"
WRONG = "def area(r):\n    return r"


def block(code: str, info: str = "python", fence: str = "```") -> str:
    return f"{fence}{info}\n{code}\n{fence}"


def indented(text: str, by: str) -> str:
    return "\n".join(by + line for line in text.split("\n"))


@pytest.mark.parametrize(
    "reply",
    [
        CODE,
        block(CODE),
        block(CODE, "py"),
        block(CODE, "Python"),
        block(CODE, "python3"),
        block(CODE, "python3.12"),
        block(CODE, " python "),
        block(CODE, "python linenums"),
        block(CODE, 'python title="area.py" hl_lines="2"'),
        block(CODE, "{python}"),
        block(CODE, "{.python #area}"),
        block(CODE, "python:src/area.py"),
        block(CODE, "area.py"),
        block(CODE, ""),
        block(CODE, "text"),
        block(CODE, "python", "~~~"),
        block(CODE, "python", "````"),
        block(CODE, "", "~~~~~"),
        f"Of course: {block(CODE)}",
        f"```python\n{CODE}```",
        f"{CODE}\n```",
        f"{CODE}```",
        f"```python\n{CODE}",
        f"```python\n{CODE}\n\nprint(area(",
        "1. Think.\n2. Write:\n" + indented(block(CODE), "   "),
        "- so\n  - so\n" + indented(block(CODE), "     "),
        "> He wrote\n>\n" + indented(block(CODE), "> "),
        block(CODE).replace("\n", "\r\n"),
        block("# A solution\n" + block(CODE), "markdown"),
    ],
)
def test_a_fence_is_a_fence(reply: str) -> None:
    assert extract_code(reply, "area") == CODE


def test_one_line_fences() -> None:
    line = "def area(r): return 3 * r * r"
    for reply in (f"```python {line}```", f"```{line}```", f"Use ```py {line}``` here.", f"It's `{line}`."):
        assert extract_code(reply, "area") == line


@pytest.mark.parametrize(
    "reply",
    [
        f"<answer>{CODE}</answer>",
        f"<answer>\n{block(CODE)}\n</answer>",
        f"I see.\n<code>\n{CODE}\n</code>\nDone.",
        f"[PYTHON]\n{CODE}\n[/PYTHON]",
        f"<pre><code>\n{CODE}\n</code></pre>",
        f"{CODE}<|im_end|>",
        f"{CODE}\n<|endoftext|>def area(",
        f"{block(CODE)}<|eot_id|>",
        f"```python\n{CODE}</s>",
        f"{CODE}<\uff5cend\u2581of\u2581sentence\uff5c>",
        f"\ufeff{CODE}",
        block(f"\ufeff{CODE}"),
        f"python\n{CODE}",
        CODE.replace("    ", "\u00a0\u00a0\u00a0\u00a0"),
        block(CODE.replace(" r * r", "\u2009r\u00a0* r")),
        f"\u200b{CODE}",
        ">>> def area(r):\n...     return 3 * r * r\n...\n>>> area(1)\n3",
        block("In [1]: def area(r):\n   ...:     return 3 * r * r", "ipython"),
        f"Here it is:\n\n{CODE}\n\nIt isn't slow; that's all.",
        f"# Solution\n\n{CODE}\n\n- it multiplies\n- it's short",
        indented(CODE, "    "),
        '{"why": "easy", "code": "def area(r):\\n    return 3 * r * r"}',
        block('{"code": "def area(r):\\n    return 3 * r * r"}', "json"),
        CODE.replace("*", "&#42;").replace("3 &#42;", "3 &#42;"),
    ],
)
def test_what_stands_around_code_is_not_code(reply: str) -> None:
    code = extract_code(reply, "area")
    assert parses(code), code
    functions = [n for n in ast.parse(code).body if isinstance(n, ast.FunctionDef)]
    assert [ast.unparse(f) for f in functions] == [CODE]


@pytest.mark.parametrize(
    "code",
    [
        "def area(r):\n    fence = '```'\n    return 3 * r * r",
        'def area(r):\n    """Area.\n\n    ```\n    area(1)\n    ```\n    """\n    return 3 * r * r',
        'def area(r):\n    """Area.\n\n```python\narea(1)\n```\n"""\n    return 3 * r * r',
        "FENCED = '''\n```\ncode\n```\n'''\n\n\ndef area(r):\n    return 3 * r * r",
        "import re\n\n\ndef area(r):\n    re.sub('```.*?```', '', '~~~')\n    return 3 * r * r",
        "def area(r):\n    # ``` is a fence\n    return 3 * r * r",
        "def area(r):\n    token = '<|im_end|>'\n    return 3 * r * r",
        'def area(r):\n    text = "<answer>\\u00a0</answer>"\n    return 3 * r * r',
    ],
)
def test_marks_inside_of_code_are_left_there(code: str) -> None:
    assert extract_code(code, "area") == code
    assert extract_code(f"So:\n{block(code)}\nThat is ``` all.", "area") == code


@pytest.mark.parametrize(
    "after",
    [
        block("def area(r):\n    ..."),
        block("def area(r):\n    pass"),
        block('def area(r):\n    """The area."""'),
        block("def area(r):\n    raise NotImplementedError"),
        block("area = None"),
        block("area = area(3)\nprint(area)"),
        block("area = 27"),
        block("print(area(1))\nprint(area(2))\nprint(area(333333333333333333333333333))"),
        block("from solution import area\n\nassert area(1) == 3"),
        block("3\n12", ""),
        block("area(1)  # 3", "text"),
        block("def test_area():\n    assert area(1) == 3\n\n\ntest_area()"),
        f"Don't write it like this:\n{block(WRONG)}",
        f"Avoid this:\n{block(WRONG)}",
        f"Your original code:\n{block(WRONG)}",
        f"A common mistake:\n\n{block(WRONG)}",
        f"Instead of this:\n{block(WRONG)}",
        f"This version is incorrect:\n{block(WRONG)}",
        block(f"# WRONG\n{WRONG}"),
    ],
)
def test_what_follows_the_solution_is_not_it(after: str) -> None:
    assert extract_code(f"{block(CODE)}\n\n{after}", "area") == CODE


@pytest.mark.parametrize(
    "before",
    [
        f"A first attempt:\n{block(WRONG)}",
        f"Not like this:\n{block(WRONG)}",
        f"Your code was\n{block(WRONG)}\nHere is the corrected version of your original code:",
        f"{block(WRONG)}\nThat fails for 2. Fixed:",
        f"{block(WRONG)}\nUnlike the naive version, this one works:",
        block("def area(r):\n    ..."),
        block("area(1)", ""),
        block("function area(r) { return r }", "javascript"),
        block("pip install numpy", "bash"),
        "<think>Perhaps\n" + block(WRONG) + "</think>",
    ],
)
def test_what_comes_before_the_solution_is_not_it(before: str) -> None:
    assert extract_code(f"{before}\n{block(CODE)}", "area") == CODE


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["import math", "def area(r):\n    return math.pi * r"], [0, 1]),
        (["def area(r):\n    return square(r)", "def square(r):\n    return r * r"], [1, 0]),
        (["def square(r):\n    return r * r", "def area(r):\n    return square(r)"], [0, 1]),
        (["PI = 3", "def area(r):\n    return PI * r"], [0, 1]),
        (["from math import pi as PI", "def area(r):\n    return PI * r", "print(area(1))"], [0, 1]),
        (["import math", "PI = math.pi", "def area(r):\n    return PI * r"], [0, 1, 2]),
        (["class Circle:\n    pass", "def area(r):\n    return Circle()"], [0, 1]),
        (["def half(r):\n    ...", "def area(r):\n    return half(r)", "def half(r):\n    return r"], [2, 1]),
        (["def area(r):\n    return r", "def volume(r):\n    return r"], [0]),
        (["import os", "def area(r):\n    return r"], [1]),
        (["try:\n    import np\nexcept ImportError:\n    np = None", "def area(r):\n    return np"], [0, 1]),
    ],
)  # fmt: skip
def test_a_solution_takes_what_it_needs_from_other_blocks(parts: list[str], whole: list[int]) -> None:
    reply = "\nthen\n".join(block(part) for part in parts)
    assert extract_code(reply, "area") == "\n\n".join(parts[i] for i in whole)


def test_future_imports_stay_first() -> None:
    main = "from __future__ import annotations\n\n\ndef area(r: int) -> int:\n    return floor(r)"
    code = extract_code(f"{block('from math import floor')}\n{block(main)}", "area")
    assert code.startswith("from __future__ import annotations\n\nfrom math import floor\n")
    compile(code, "code", "exec")


@pytest.mark.parametrize(
    "code",
    [
        "if True:\n    def area(r):\n        return r\nelse:\n    area = None",
        "try:\n    from numpy import area\nexcept ImportError:\n    def area(r):\n        return r",
        "from typing import Callable\n\narea: Callable = lambda r: r",
        "area = lambda r: r and area(r - 1)",
        "import functools\n\narea = functools.partial(max, 1)",
        "area, volume = max, min",
        "with open('x') as file:\n    def area(r):\n        return r",
        "async def area(r):\n    return r",
        "class area:\n    value = 1",
        "for _ in range(1):\n    def area(r):\n        return r",
    ],
)
def test_every_way_of_defining_counts(code: str) -> None:
    longer = block("\n".join(f"print(area({i}))" for i in range(40)))
    assert extract_code(f"{block(code)}\n{longer}", "area") == code


@pytest.mark.parametrize(
    "code",
    [
        "class Solution:\n    def area(self, r):\n        return r",
        "class Solution(object):\n    def __init__(self):\n        pass\n\n    def area(self, r):\n        return r",
        "class Solution:\n    @staticmethod\n    def area(r):\n        return r",
        "class Shapes:\n    def __init__(self, x=3):\n        pass\n\n    def area(self, r):\n        return r",
    ],
)  # fmt: skip
def test_a_method_becomes_the_function_and_says_so(code: str) -> None:
    name = code.partition("class ")[2].partition("(")[0].partition(":")[0]
    last = extract_code(block(code), "area").splitlines()[-1]
    assert last.startswith(f"area = {name}().area  # repaired: ")


def test_a_class_that_needs_arguments_is_left_alone() -> None:
    code = "class Circle:\n    def __init__(self, r):\n        pass\n\n    def area(self):\n        return 1"
    assert extract_code(block(code), "area") == code


PROMPT = 'from typing import List\n\n\ndef total(numbers: List[int]) -> int:\n    """Add them up."""\n'
BODY = "    result = 0\n    for n in numbers:\n        result += n\n    return result"


@pytest.mark.parametrize(
    "reply",
    [
        BODY,
        BODY.strip(),
        f"{BODY}\n\n\ndef main():\n    print(total([1]))",
        f"{BODY}\n\n\nclass Unfinished:\n    def",
        block(BODY),
        block(BODY.strip()),
        f"The rest is:\n\n{BODY}\n",
        f"{BODY}\n```\n",
        BODY.replace("    ", "  "),
        BODY.replace("    ", "\t"),
        f"<answer>\n{BODY}\n</answer>",
    ],
)
def test_the_rest_of_a_function_is_put_behind_its_head(reply: str) -> None:
    code = extract_code(reply, "total", PROMPT)
    assert code.startswith(PROMPT.rstrip())
    function = next(n for n in ast.parse(code).body if isinstance(n, ast.FunctionDef))
    assert ast.unparse(ast.Module(function.body[1:], [])) == ast.unparse(ast.parse(BODY_AT_THE_MARGIN))


BODY_AT_THE_MARGIN = "result = 0\nfor n in numbers:\n    result += n\nreturn result"


@pytest.mark.parametrize("reply", ["I cannot do that.", "numbers", "", "42", "It is `sum`.", "pass"])
def test_no_body_is_made_up(reply: str) -> None:
    assert "def total" not in extract_code(reply, "total", PROMPT)


USES_HALF = "def area(r):\n    return half(r)"
HALF = "def half(r):\n    return r / 2"
TESTS = "assert area(1) == 3\nassert area(2) == 12"
STUB = "def area(r):\n    ..."


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (f"{block(CODE)}\nTests:\n{block(TESTS)}", CODE),
        (f"{block(WRONG)}\nbecomes\n{block(CODE)}", CODE),
        (f"{block('import math')}\n{block('area = math.sqrt')}", "import math\n\narea = math.sqrt"),
        (f"{block(USES_HALF)}\n{block(HALF)}", f"{USES_HALF}\n\n{HALF}"),
        (f"Done:\n\n{CODE}\n\nThat's it.", CODE),
        ("The answer is\nx = 5\nSo 5.", "The answer is\nx = 5\nSo 5."),
        ("42", "42"),
        (f"{block(TESTS)}\nand\n{block('assert area(3) == 27')}", f"{TESTS}\n\nassert area(3) == 27"),
        (f"{block(CODE)}\n{block(STUB)}", CODE),
        (block("{}", "json"), block("{}", "json")),
    ],
)
def test_where_no_function_is_named(reply: str, code: str) -> None:
    assert extract_code(reply) == code


@pytest.mark.parametrize(
    "text",
    [
        "x = f(1)\n" * 290_000,
        block("x = f(1)\n" * 2_000) * 60,
        "```\n" * 200_000,
        "I don't know what to say. " * 40_000,
        "def f(x):\n" * 100_000,
        ' {"a":' * 100_000,
        "`x = 1` " * 100_000,
        ">>> x\n" * 100_000,
    ],
    ids=range(8),
)
def test_megabytes_of_anything_cost_little(text: str) -> None:
    started = time.process_time()
    extract_code(text, "f", PROMPT)
    assert time.process_time() - started < 15


def test_a_solution_after_megabytes_of_words_is_found() -> None:
    assert extract_code("word " * 500_000 + f"\n{block(CODE)}", "area") == CODE


def test_no_parse_is_larger_than_it_may_be() -> None:
    with pytest.raises(TooLongError, match="100,000 characters"):
        syntax_tree("x\n" * MAX_CHARS)
    assert not parses("x\n" * MAX_CHARS)
