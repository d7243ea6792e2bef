"""Where the process of a model listens, and which one that is."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import warnings
from pathlib import Path

from platformdirs import user_runtime_path

from engine.models.base import ModelError

# What a process takes from the environment that it was started in, and whoever shares it must have as well.
_ENVIRONMENT = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT")


def socket_of(name: str, source: str, device: str) -> Path:
    """The socket of the process that has, or will have, the model `name`: that in a folder or of a hub ID.

    A folder that has changed is another model. The folder of the sockets is made, with mode 0700. Raises
    ModelError where it belongs to another user or cannot be made.
    """
    return _folder() / f"{_key(name, source, device)}.sock"


def _key(name: str, source: str, device: str) -> str:
    folder, files = Path(source), []
    if folder.is_dir():
        source = str(folder.resolve())
        for path in sorted(folder.iterdir()):
            if path.suffix in (".safetensors", ".json", ".jinja"):
                status = path.stat()
                files.append((path.name, status.st_size, status.st_mtime_ns))
    environment = [os.environ.get(name) for name in _ENVIRONMENT]
    # Another installation may be another version.
    told = json.dumps([name, source, device, files, environment, __file__])
    return hashlib.blake2b(told.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()


def _folder() -> Path:
    with warnings.catch_warnings():
        # Without a runtime folder it is one in /tmp, which will do, since its owner is checked.
        warnings.simplefilter("ignore")
        path = user_runtime_path("flowreasoner") / "models"
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        info = path.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
            whose = f"{path} is not this user's folder"
            raise ModelError("server", f"{whose}; remove it, or set XDG_RUNTIME_DIR to one that is")
        path.chmod(0o700)
    except OSError as error:
        raise ModelError(
            "server",
            f"the folder for sockets {path} cannot be made: {error.strerror or error}; set XDG_RUNTIME_DIR",
        ) from None
    return path
