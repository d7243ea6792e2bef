"""Text files that a user names on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.service.asked.text_file import read_text


class WrongFileError(ValueError):
    """What the command at hand raises."""


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_bytes("\ufeffWrite f.\n".encode())
    assert read_text(path, "prompt", WrongFileError) == "Write f.\n"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("bytes.txt", b"a\xff", "not UTF-8 at byte 1; save the file as UTF-8"),
        ("long.txt", b"x" * (1 << 20) + b"x", "larger than 1 MiB, which no prompt is"),
        ("absent.txt", None, "No such file or directory; give a readable file for the prompt"),
        ("nul\0.txt", None, "embedded null byte; give a readable file for the prompt"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WrongFileError, match=says) as caught:
        read_text(tmp_path / name, "prompt", WrongFileError, most=1 << 20)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
