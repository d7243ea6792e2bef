"""The science image, built for real: minutes, the first time."""

from __future__ import annotations

import pytest

from sandbox import SandboxError, open_sandbox
from tests.support.missing import skip_where_missing

pytestmark = [
    pytest.mark.asyncio(loop_scope="function"),
    pytest.mark.timeout(1800),
]

SOLUTION = """
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

def task(values):
    frame = pd.DataFrame({"x": np.array(values)})
    axes = frame.plot()
    return frame, axes
"""
TEST = """
import unittest, matplotlib, numpy, pandas

class T(unittest.TestCase):
    def test_frame(self):
        frame, axes = task([1, 2, 3])
        self.assertIsInstance(frame, pandas.DataFrame)
        self.assertEqual(frame.x.sum(), 6)
        self.assertIsInstance(axes, matplotlib.axes.Axes)
"""
PLOT = """
import matplotlib.pyplot as plt, pandas as pd
plt.plot([1, 2, 3])
plt.savefig("plot.png")
pd.DataFrame({"x": [1]}).to_csv("table.csv", index=False)
"""
LIBRARIES = """
    bs4 chardet cryptography dateutil django docx flask geopy lxml natsort networkx nltk openpyxl PIL psutil
    pytest pytz regex requests scipy seaborn sklearn skimage statsmodels.api sympy wordcloud xlrd xlwt yaml
"""


async def test_data_science_runs_in_the_science_image() -> None:
    try:
        async with open_sandbox("docker", image="science", build=True, size=1) as sandbox:
            verdict = await sandbox.check(SOLUTION, [TEST], entry_point="task")
            assert verdict.status == "passed", verdict
            wrong = await sandbox.check(SOLUTION.replace("values)", "[0])", 1), [TEST], entry_point="task")
            assert wrong.status == "failed", wrong
            outcome = await sandbox.run_program(PLOT, collect=("*.png", "*.csv"))
            files = {file.name: file.data for file in outcome.files}
            assert files["plot.png"].startswith(b"\x89PNG")
            assert files["table.csv"] == b"x\n1\n"
            for name in LIBRARIES.split():
                outcome = await sandbox.run_program(f"import {name}")
                assert outcome.status == "passed", (name, outcome.message)
    except SandboxError as error:
        skip_where_missing(error)
