"""Files in and out: what is asked for comes back, and nothing else can be made to."""

from __future__ import annotations

import os

import pytest

from sandbox import Limits, Pool
from sandbox.files import FileNameError, checked_name, for_guest, from_guest
from sandbox.guest import files as guest_files
from tests.sandbox.helpers import assert_healthy, refuse

pytestmark = pytest.mark.asyncio(loop_scope="session")

COLLECT = ("*.png", "*.csv", "*.bin")


async def test_files_come_out_and_go_in(sandbox: Pool) -> None:
    code = (
        "import os\nos.makedirs('plots/deep')\n"
        "open('plots/deep/b.png', 'wb').write(bytes(range(256)))\n"
        "open('a.csv', 'w').write(open('in/table.csv').read().upper())\n"
        "open('empty.png', 'w').close()\nopen('notes.txt', 'w').write('not asked for')"
    )
    outcome = await sandbox.run_program(code, files={"in/table.csv": b"x,y\n"}, collect=COLLECT)
    assert outcome.status == "passed", outcome
    found = {file.name: file.data for file in outcome.files}
    assert found == {
        "a.csv": b"X,Y\n",
        "empty.png": b"",
        "in/table.csv": b"x,y\n",
        "plots/deep/b.png": bytes(range(256)),
    }
    assert outcome.refused == ()
    assert {"name": "a.csv", "size": 4} in outcome.to_json()["files"]
    await assert_healthy(sandbox)


async def test_a_call_collects_too(sandbox: Pool) -> None:
    async with sandbox.session() as session:
        outcome = await session.call(
            "steps:echo", {"n": 1}, callback=refuse, limits=Limits(), files={"a.csv": b"1"}, collect=COLLECT
        )
    assert outcome.value == {"n": 1}
    assert [(file.name, file.data) for file in outcome.files] == [("a.csv", b"1")]


async def test_files_of_a_program_that_failed_are_kept(sandbox: Pool) -> None:
    outcome = await sandbox.run_program("open('a.csv', 'w').write('half')\n1 / 0", collect=COLLECT)
    assert (outcome.status, outcome.reason) == ("failed", "exception")
    assert [file.data for file in outcome.files] == [b"half"]


# name: (a program, what is said of x.bin)
REFUSED: dict[str, tuple[str, str]] = {
    "symbolic link": ("os.symlink('/etc/passwd', 'x.bin')", "symbolic link"),
    "link to a proc file": ("os.symlink('/proc/1/environ', 'x.bin')", "symbolic link"),
    "hard link": ("open('y', 'w').write('1')\nos.link('y', 'x.bin')", "hard link"),
    "named pipe": ("os.mkfifo('x.bin')", "named pipe"),
    "socket": ("import socket\nsocket.socket(socket.AF_UNIX).bind('x.bin')", "socket"),
    "sparse file": (
        "import resource\nwith open('x.bin', 'wb') as f:\n"
        "    f.truncate(min(10 << 30, resource.getrlimit(resource.RLIMIT_FSIZE)[0]))",
        "larger than",
    ),
    "closed file": ("open('x.bin', 'w').write('1')\nos.chmod('x.bin', 0)", "cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_plain_file_is_refused(sandbox: Pool, name: str) -> None:
    code, why = REFUSED[name]
    outcome = await sandbox.run_program(f"import os\n{code}", collect=COLLECT)
    assert outcome.status == "passed", outcome
    assert outcome.files == ()
    ((refused),) = outcome.refused
    assert refused.name == "x.bin"
    assert why in refused.reason
    await assert_healthy(sandbox)


async def test_a_10_gb_file_cannot_even_be_made(sandbox: Pool) -> None:
    outcome = await sandbox.run_program("open('x.bin', 'wb').truncate(10 << 30)", collect=COLLECT)
    assert outcome.status == "failed"
    assert all(file.size == 0 for file in outcome.files)


async def test_a_device_cannot_be_made(sandbox: Pool) -> None:
    outcome = await sandbox.run_program(
        "import os\nos.mknod('x.bin', 0o20600, os.makedev(1, 5))", collect=COLLECT
    )
    assert outcome.status == "failed"
    assert "PermissionError" in outcome.message
    assert outcome.files == ()


async def test_a_directory_behind_a_link_is_not_entered(sandbox: Pool) -> None:
    code = "import os\nos.symlink('/usr/lib', 'lib')\nos.symlink('..', 'up')\nos.symlink('.', 'self')"
    outcome = await sandbox.run_program(code, collect=("*",))
    assert outcome.files == ()
    assert {file.name for file in outcome.refused} == {"lib", "up", "self"}


async def test_the_directory_itself_swapped_for_a_link(sandbox: Pool) -> None:
    code = "import os\nhome = os.getcwd()\nos.chdir('/')\nos.rmdir(home)\nos.symlink('/usr/lib', home)"
    outcome = await sandbox.run_program(code, collect=("*",))
    assert outcome.files == ()
    await assert_healthy(sandbox)


async def test_the_caps_hold(sandbox: Pool) -> None:
    many = f"for n in range({guest_files.MAX_FILES + 5}):\n    open(f'{{n:03}}.bin', 'w').write('x')"
    outcome = await sandbox.run_program(many, collect=COLLECT)
    assert len(outcome.files) == guest_files.MAX_FILES
    assert "more than" in outcome.refused[-1].reason
    large = "for n in range(6):\n    open(f'{n}.bin', 'wb').write(bytes(3 << 20))"
    outcome = await sandbox.run_program(large, collect=COLLECT, limits=Limits(cpu_s=20, wall_s=60))
    assert sum(file.size for file in outcome.files) == 15 << 20
    assert [file.reason for file in outcome.refused] == ["all files together are larger than 16 MiB"]
    await assert_healthy(sandbox)


async def test_strange_names_do_not_reach_the_host(sandbox: Pool) -> None:
    code = (
        "for name in (b'\\xff.bin', b'a\\nb.bin', b'\\x1b[31m.bin', b'-rf.bin', b'~.bin', b'good.bin'):\n"
        "    open(name, 'w').write('x')"
    )
    outcome = await sandbox.run_program(code, collect=COLLECT)
    assert [file.name for file in outcome.files] == ["good.bin"]
    assert len(outcome.refused) == 5
    assert all(file.name.isprintable() for file in outcome.refused)


async def test_files_changing_while_they_are_read(sandbox: Pool) -> None:
    """A daemon that swaps a file for a link all the time gets nothing but its own content out."""
    code = """
import os
open('mine', 'w').write('mine')
if os.fork() == 0:
    os.setsid()
    while True:
        try:
            os.symlink('/etc/passwd', 't'); os.replace('t', 'x.bin')
            open('t', 'w').write('mine'); os.replace('t', 'x.bin')
        except OSError:
            pass
import time
time.sleep(0.05)
"""
    for _ in range(10):
        outcome = await sandbox.run_program(code, collect=COLLECT)
        assert all(file.data in (b"mine", b"") for file in outcome.files), outcome.files
    await assert_healthy(sandbox)


BAD_NAMES = [
    "",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a//b",
    "./x",
    "a/",
    "x\0y",
    "x\ny",
    "\x1b[0m",
    "-rf",
    "~",
    "a\\b",
    "x" * 300,
]


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_names_are_checked_on_the_host(name: str) -> None:
    with pytest.raises(FileNameError):
        checked_name(name)
    with pytest.raises(FileNameError):
        for_guest({name: b""})
    files, refused = from_guest([(name, b"", None)])
    assert files == ()
    assert len(refused) == 1


async def test_the_host_believes_no_guest() -> None:
    files, refused = from_guest(
        [
            ("a", b"x", None),
            ("a", b"x", None),
            ("b", bytes(5 << 20), None),
            ("d" * 999, b"", "\x1b" * 999),
        ]
    )
    assert [(file.name, file.data) for file in files] == [("a", b"x")]
    assert [file.name for file in refused] == ["a", "b", "d" * 120]


async def test_too_much_input_is_refused(sandbox: Pool) -> None:
    with pytest.raises(ValueError, match="larger than"):
        await sandbox.run_program("", files={"x": os.urandom(5 << 20)})
