"""The matrix products of a model on a CPU, which PyTorch alone computes more slowly than it could.

oneDNN brings the weights into an order of its own in every call, or not at all: here that is done once. And
which type is fast depends on the processor and on the rows. A single one, as in decoding one answer, waits
for the weights: bfloat16 has half the bytes. Many rows wait for arithmetic: some processors have nothing for
it in bfloat16, others something slower than in float32. The products stay the same up to the order in which
they are summed.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch.nn.functional import linear

_FEW = 8  # rows for which oneDNN lays out the weights; the same layout serves any number
# Where a control group says its limit: version 2 names no controller, version 1 has a tree for each.
_LIMITS = {"": ("", "memory.max"), "memory": ("memory", "memory.limit_in_bytes")}


@dataclass(frozen=True)
class Plan:
    """How products are computed, by their number of rows: those between `plain` and `converted` with a copy
    of the weights, of the type `ordered` and in oneDNN's order.
    """

    ordered: torch.dtype
    plain: int = 0  # rows up to which PyTorch multiplies, in the type of the weights
    converted: int = sys.maxsize  # rows from which the weights are converted to float32 in each call


def speed_up(model: Any) -> None:
    """Give the linear layers of a bfloat16 or float32 `model` on the CPU faster products, as far as memory
    has room. Its weights must not change any more; those of layers in float32 are gone once they are copied.

    Where the CPU does not compute in bfloat16, all else of such a model is in float32 from now on.
    """
    layers: list[Any] = [module for module in model.modules() if type(module) is torch.nn.Linear]
    plan = plan_for(layers, model.dtype) if layers and torch.backends.mkldnn.is_available() else None
    if plan is None:
        return
    if model.dtype == torch.bfloat16 != plan.ordered:
        _all_but(layers, model)
    for layer in layers:
        layer.forward = Product(layer, plan)


def plan_for(layers: list[Any], dtype: torch.dtype) -> Plan | None:
    """The fastest one here, if any is faster than PyTorch's own products."""
    if dtype == torch.float32:
        return Plan(torch.float32)
    if dtype != torch.bfloat16:
        return None
    copied, room = sum(layer.weight.nbytes for layer in layers), available_memory()
    if not has_bfloat16():
        # Up to two rows the bytes of the weights decide, and bfloat16 has half of them. Without room for a
        # copy, converting in each call is worth it from 16 rows.
        return Plan(torch.float32, plain=2) if 4 * copied <= room else Plan(torch.float32, 15, 16)
    if not has_kernels() or 2 * copied > room:
        return None
    # Not by the last one, the choice of a token, which is as large as all others together.
    largest = max(layers[:-1] or layers, key=lambda layer: layer.weight.numel())
    return Plan(torch.bfloat16, converted=128) if is_faster_in_float32(largest) else Plan(torch.bfloat16)


def _all_but(layers: list[Any], model: Any) -> None:
    """Convert what a model has outside its linear `layers` to float32."""
    kept = set(layers)
    for module in model.modules():
        for name, parameter in () if module in kept else module._parameters.items():
            if parameter is not None and parameter.is_floating_point():
                # A new one: the choice of a token may share its weights with the embedding.
                module._parameters[name] = torch.nn.Parameter(parameter.float(), requires_grad=False)


class Product:
    """x W + b for the weights of one layer."""

    def __init__(self, layer: torch.nn.Linear, plan: Plan) -> None:
        self._layer, self._plan = layer, plan
        self._ordered: torch.Tensor | None = None  # W as oneDNN wants it, once it is needed
        self._bias: torch.Tensor | None = None

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """(… × inputs) to (… × outputs), both of the same type."""
        count, layer = rows.numel() // rows.shape[-1], self._layer
        if count <= self._plan.plain:
            return linear(rows.to(layer.weight.dtype), layer.weight, layer.bias).to(rows.dtype)
        if count >= self._plan.converted:
            return linear_in_float32(rows, layer.weight, layer.bias)
        if self._ordered is None:
            self._order()
        return torch.ops.mkldnn._linear_pointwise(rows, self._ordered, self._bias, "none", [], "")

    def _order(self) -> None:
        layer, dtype = self._layer, self._plan.ordered
        weight, bias = layer.weight.detach(), layer.bias
        self._ordered = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype), _FEW)
        self._bias = None if bias is None else bias.detach().to(dtype)
        if weight.dtype == torch.float32:  # not needed again, and whoever thinks otherwise is told
            layer.weight = torch.nn.Parameter(weight.to("meta"), requires_grad=False)


def linear_in_float32(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """`linear` of bfloat16 weights, computed in float32; the result has the type of the rows."""
    bias = None if bias is None else bias.float()
    return linear(rows.float(), weight.float(), bias).to(rows.dtype)


@torch.inference_mode()
def is_faster_in_float32(layer: torch.nn.Linear) -> bool:
    """Whether many rows are: so on processors that have bfloat16, and no matrix unit for it.

    By the CPU time of one thread, so that others' work on this machine decides nothing.
    """
    weight = layer.weight
    rows = torch.ones(256, weight.shape[1], dtype=weight.dtype)
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


def is_slow(dtype: torch.dtype) -> bool:
    """Whether a model had better be in float32 as a whole. CPUs have no fast kernels for float16, and for
    bfloat16 not all; `speed_up` helps there, but not without oneDNN.
    """
    if dtype == torch.bfloat16:
        return not has_bfloat16() and not torch.backends.mkldnn.is_available()
    return dtype == torch.float16


def has_bfloat16() -> bool:
    """Whether this machine's CPU computes in bfloat16."""
    try:
        words = set(Path("/proc/cpuinfo").read_text("utf-8", "replace").split())
    except OSError:  # not Linux: then it is most likely a Mac's, which does
        return True
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16", "svebf16"})


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
