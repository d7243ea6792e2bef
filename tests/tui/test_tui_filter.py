"""What people type to find runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.run_filter import RunFilter, parse_filter


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", RunFilter()),
        ("median of", RunFilter(search="median of")),
        ("status:failed", RunFilter(status="failed")),
        ("status:failed a variant:vanilla b", RunFilter("a b", "failed", "vanilla")),
        (
            "label:undefined-name training-set:good x",
            RunFilter("x", label="undefined-name", training_set="good"),
        ),
        ("bookmark:yes bookmark:no", RunFilter("bookmark:no", bookmark=True)),
        ("benchmark:humaneval x:y status:", RunFilter("x:y status:", benchmark="humaneval")),
    ],
)
def test_words_and_fields(text: str, wanted: RunFilter) -> None:
    assert parse_filter(text) == wanted


@given(st.text())
def test_anything_can_be_typed(text: str) -> None:
    parse_filter(text)
