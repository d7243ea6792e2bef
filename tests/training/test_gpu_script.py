"""The script for GPU machines works: in its small form, here."""

from __future__ import annotations

import json
import sys

from tests.support.missing import needs

needs("trl")


def test_the_script_measures_each_way_to_train(tmp_path, monkeypatch):
    from tests.gpu.grpo_breakdown import main

    out = tmp_path / "result.json"
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "argv", ["grpo_breakdown.py", "--tiny", "--steps", "1", "--out", str(out)])
    main()
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
