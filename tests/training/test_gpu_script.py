"""The script for GPU machines works: in its small form, here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.missing import needs

needs("trl")


SCRIPT = Path(__file__).parents[1] / "gpu" / "grpo_breakdown.py"


def test_the_script_measures_each_way_to_train(tmp_path):
    out = tmp_path / "result.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--tiny", "--steps", "1", "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(out.read_text())
    for name in ("all weights", "adapters"):
        assert result[name]["valid_share"] == 1.0
        assert result[name]["decoded_tokens_a_step"] > 0
        parts = (
            "seconds_wait_generation",
            "seconds_execution",
            "seconds_training",
            "cpu_worker",
            "cpu_engine",
        )
        assert all(result[name][part] > 0 for part in parts)
    assert result["plain TRL, reward 0"]["tokens_per_s"] > 0
