"""The guest package as a zip file, for runners that are started without an image."""

from __future__ import annotations

import io
import marshal
import zipfile
from functools import cache, lru_cache
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER
from types import CodeType

from sandbox import images


@lru_cache(maxsize=1)
def guest_zip(path: str) -> bytes:
    """The guest package as a zip file that Python imports from, to be at `path` for the guest.

    Compiling the sources is half of what a sandbox's start costs. So their bytecode is there, too; a Python
    of another version passes it over, and compiles them itself.
    """
    unchecked = MAGIC_NUMBER + (0b01).to_bytes(4, "little") + bytes(8)  # PEP 552: not compared with a source
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, source in images.guest_files().items():
            archive.writestr(f"guest/{name}", source)
            code = _at(_compiled(name), f"{path}/guest/{name}")
            archive.writestr(f"guest/{name}c", unchecked + marshal.dumps(code))
    return buffer.getvalue()


@cache
def _compiled(name: str) -> CodeType:
    """The code of a guest module, as Python keeps it where it may."""
    file = images.GUEST_FOLDER / name
    module = f"sandbox.guest.{file.stem}"
    code = SourceFileLoader(module, str(file)).get_code(module)
    assert code is not None  # it has a source
    return code


def _at(code: CodeType, path: str) -> CodeType:
    """`code` as compiled from `path`, by which guests know their own lines in a traceback."""
    inner = (_at(one, path) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename=path, co_consts=tuple(inner))
