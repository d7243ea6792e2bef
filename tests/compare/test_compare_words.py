"""How a comparison's numbers are written."""

from __future__ import annotations

import pytest

from tui.compare.cells import p_words


@pytest.mark.parametrize(
    ("p_value", "words"),
    [
        (1.0, "p = 1.0000"),
        (0.0312, "p = 0.0312"),
        (0.0001, "p = 0.0001"),
        (0.00009, "p < 0.0001"),
        (0.0, "p < 0.0001"),
    ],
)
def test_a_p_value_is_a_number_or_a_bound(p_value: float, words: str) -> None:
    assert p_words(p_value) == words
