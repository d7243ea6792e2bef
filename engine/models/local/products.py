"""The matrix products of a bfloat16 model on a CPU, which PyTorch alone computes more slowly than it could.

Few rows, as in decoding, wait for the weights: oneDNN first brings those into an order of its own, in every
call. Here that is done once. Many rows, as of a prompt, wait for arithmetic, which some processors do faster
in float32. The products stay the same up to the order in which they are summed.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch.nn.functional import linear

_FEW = 8  # rows for which oneDNN lays out the weights; the same layout serves any number
_MANY = 128  # rows from which it is worth converting the weights in each call
# Where a control group says its limit: version 2 names no controller, version 1 has a tree for each.
_LIMITS = {"": ("", "memory.max"), "memory": ("memory", "memory.limit_in_bytes")}


def speed_up(model: Any) -> None:
    """Give the linear layers of a bfloat16 `model` on the CPU faster products. Its weights must not change.

    Does nothing where memory has no room for the second copy of the weights.
    """
    layers: list[Any] = [module for module in model.modules() if type(module) is torch.nn.Linear]
    copied = sum(layer.weight.nbytes for layer in layers)
    if not layers or not has_kernels() or 2 * copied > available_memory():
        return
    # Not by the last one, the choice of a token, which is as large as all others together.
    in_float32 = is_faster_in_float32(max(layers[:-1] or layers, key=lambda layer: layer.weight.numel()))
    for layer in layers:
        layer.forward = Product(layer, in_float32=in_float32)


class Product:
    """x W + b for the weights of one layer."""

    def __init__(self, layer: torch.nn.Linear, *, in_float32: bool) -> None:
        """`in_float32` says that many rows are multiplied in float32."""
        self._weight, self._bias = layer.weight.detach(), layer.bias
        self._in_float32 = in_float32
        self._ordered: torch.Tensor | None = None  # W as oneDNN wants it, once few rows have come

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """(… × inputs) to (… × outputs), both bfloat16."""
        if self._in_float32 and rows.numel() >= _MANY * rows.shape[-1]:
            return linear_in_float32(rows, self._weight, self._bias)
        if self._ordered is None:
            self._ordered = torch.ops.mkldnn._reorder_linear_weight(self._weight, _FEW)
        return torch.ops.mkldnn._linear_pointwise(rows, self._ordered, self._bias, "none", [], "")


def linear_in_float32(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """`linear` of bfloat16, computed in float32."""
    return linear(rows.float(), weight.float(), None if bias is None else bias.float()).bfloat16()


@torch.inference_mode()
def is_faster_in_float32(layer: torch.nn.Linear) -> bool:
    """Whether many rows are: so on processors that have bfloat16, and no matrix unit for it.

    By the CPU time of one thread, so that others' work on this machine decides nothing.
    """
    weight = layer.weight
    rows = torch.ones(2 * _MANY, weight.shape[1], dtype=weight.dtype)
    took: dict[Any, float] = {linear: 1e9, linear_in_float32: 1e9}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(3):
        for product in took:
            began = time.thread_time()
            product(rows, weight, None)
            took[product] = min(took[product], time.thread_time() - began)
    torch.set_num_threads(threads)
    return took[linear_in_float32] < took[linear]


def has_kernels() -> bool:
    """Whether oneDNN computes in bfloat16 here."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def available_memory(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this process may hope for: what the machine has left, at most what a control group allows.

    0 where the system does not say so.
    """
    try:
        lines = (proc / "meminfo").read_text("ascii").splitlines()
        bounds = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
        groups = (proc / "self" / "cgroup").read_text("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        return 0
    for line in groups:
        _, _, kind_and_group = line.partition(":")
        kind, found, group = kind_and_group.partition(":")
        if found and kind in _LIMITS:
            root, file = _LIMITS[kind]
            path = PurePosixPath(group.lstrip("/"))
            for folder in (path, *path.parents):
                with suppress(OSError, ValueError):  # a group without a limit says "max"
                    bounds.append(int((cgroups / root / folder / file).read_text("ascii")))
    return min(bounds, default=0)
