"""What makes a model faster on a CPU: it says what it says in plain Transformers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.models.local.weights import Weights
from tests.support.tiny_llama import make_tiny_llama


@pytest.fixture(scope="module")
def bfloat16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import LlamaForCausalLM

    folder = make_tiny_llama(tmp_path_factory.mktemp("tiny"), context=512)
    model: Any = LlamaForCausalLM.from_pretrained(folder)
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


def loaded(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    memory: int = 1 << 40,
    computes_in_bfloat16: bool = True,
    in_float32: bool = True,
) -> Any:
    """The model of `folder` as a machine loads it that has so much memory."""
    from engine.models.local import products

    monkeypatch.setattr(products, "has_bfloat16", lambda: computes_in_bfloat16)
    monkeypatch.setattr(products, "has_kernels", lambda: computes_in_bfloat16)
    monkeypatch.setattr(products, "available_memory", lambda: memory)
    monkeypatch.setattr(products, "is_faster_in_float32", lambda layer: in_float32)
    return Weights.load("tiny", str(folder), "cpu").model


def linear_layers(model: Any) -> list[Any]:
    import torch

    return [module for module in model.modules() if type(module) is torch.nn.Linear]


def assert_alike(plain: Any, fast: Any, within: float) -> None:
    """Both say the same, up to `within` of the largest logit, for few rows and many."""
    import torch

    from engine.models.local.products import Product

    layers = linear_layers(fast)
    assert layers and all(isinstance(layer.forward, Product) for layer in layers)
    for rows, length in ((1, 1), (2, 1), (5, 3), (1, 15), (1, 16), (1, 127), (1, 128), (2, 200)):
        tokens = torch.arange(rows * length).view(rows, length) % 200
        with torch.inference_mode():
            right, logits = plain(input_ids=tokens).logits.float(), fast(input_ids=tokens).logits.float()
        assert (logits - right).abs().max() <= within * right.abs().max(), (rows, length)


@pytest.mark.parametrize("in_float32", [True, False])
def test_a_model_with_faster_products_says_what_it_said(
    bfloat16: Path, monkeypatch: pytest.MonkeyPatch, in_float32: bool
) -> None:
    from engine.models.local import products

    if not products.has_kernels():
        pytest.skip("this processor has no kernels for bfloat16")
    plain = loaded(bfloat16, monkeypatch, memory=0)
    assert_alike(plain, loaded(bfloat16, monkeypatch, in_float32=in_float32), 0.03)


@pytest.mark.parametrize("memory", [1 << 40, 0])
def test_on_a_cpu_without_bfloat16_what_is_not_a_weight_is_float32(
    bfloat16: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    import torch
    from transformers import LlamaForCausalLM

    plain: Any = LlamaForCausalLM.from_pretrained(bfloat16, dtype=torch.float32)
    fast = loaded(bfloat16, monkeypatch, memory=memory, computes_in_bfloat16=False)
    assert_alike(plain, fast, 0.05)
    with torch.inference_mode():
        assert fast(input_ids=torch.ones(1, 1, dtype=torch.long)).logits.dtype == torch.float32
    assert {layer.weight.dtype for layer in linear_layers(fast)} == {torch.bfloat16}


def test_a_model_in_float32_has_its_weights_once_and_says_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlamaForCausalLM

    folder = make_tiny_llama(tmp_path, context=512)
    plain: Any = LlamaForCausalLM.from_pretrained(folder)
    assert plain.dtype.is_floating_point and plain.dtype.itemsize == 4
    fast = loaded(folder, monkeypatch, memory=0)
    assert_alike(plain, fast, 1e-5)
    assert {layer.weight.device.type for layer in linear_layers(fast)} == {"meta"}


def test_without_onednn_and_bfloat16_a_model_is_float32(
    bfloat16: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    model = loaded(bfloat16, monkeypatch, computes_in_bfloat16=False)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("tied", [True, False])
def test_an_embedding_that_is_also_the_choice_of_a_token_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tied: bool
) -> None:
    import torch
    from transformers import LlamaForCausalLM

    folder = make_tiny_llama(tmp_path, context=512)
    model: Any = LlamaForCausalLM.from_pretrained(folder, tie_word_embeddings=tied)
    for dtype, within in ((torch.float32, 1e-5), (torch.bfloat16, 0.05)):
        model.to(dtype).save_pretrained(folder)
        plain: Any = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
        assert plain.config.tie_word_embeddings == tied
        assert_alike(plain, loaded(folder, monkeypatch, computes_in_bfloat16=False), within)


def test_threads_are_chosen_with_several_answers_and_by_what_each_of_them_takes(
    bfloat16: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the time that passes: on a busy machine it is the same for any number of threads."""
    from torch.nn.modules.module import register_module_forward_pre_hook

    from engine.models.local import weights

    rows: list[int] = []
    passed, used = itertools.count(0, 10), itertools.count()  # others have the cores for nine tenths of it

    def fewest(cores: int, seconds: Callable[[int], float]) -> int:
        assert [seconds(1), seconds(2), seconds(4)] == [1.0, 0.5, 0.25]
        return 1

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(weights, "_SMALL", 0)
    monkeypatch.setattr(weights, "fewest", fewest)
    monkeypatch.setattr(
        weights,
        "time",
        SimpleNamespace(perf_counter=lambda: float(next(passed)), process_time=lambda: float(next(used))),
    )
    hook = register_module_forward_pre_hook(lambda module, given: rows.append(len(given[0])))
    try:
        loaded(bfloat16, monkeypatch, computes_in_bfloat16=False)
    finally:
        hook.remove()
    assert rows and min(rows) >= 8


def test_without_room_for_a_second_copy_of_the_weights_nothing_changes(
    bfloat16: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (bfloat16 / "model.safetensors").stat().st_size
    model = loaded(bfloat16, monkeypatch, memory=size)
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize(
    ("groups", "limits", "left"),
    [
        ("0::/\n", {}, 9_000_000),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "5000000\n"}, 5_000_000),
        ("0::/a\n", {"a/memory.max": "50000000\n"}, 9_000_000),
        ("0::/../up\n", {"memory.max": "4000000\n"}, 4_000_000),
        ("4:memory:/c\n0::/\n", {"memory/c/memory.limit_in_bytes": "3000000\n"}, 3_000_000),
        ("4:memory:/gone\n", {"memory/memory.limit_in_bytes": "2000000\n"}, 2_000_000),
        ("3:cpu:/c\n", {"cpu/c/memory.limit_in_bytes": "1\n"}, 9_000_000),
        ("nonsense\n", {"memory.max": "1\n"}, 9_000_000),
        (None, {}, 0),
    ],
)
def test_the_memory_that_is_left_is_at_most_what_a_control_group_allows(
    tmp_path: Path, groups: str | None, limits: dict[str, str], left: int
) -> None:
    from engine.models.local.products import available_memory

    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    if groups is not None:
        (proc / "self").mkdir(parents=True)
        (proc / "self" / "cgroup").write_text(groups)
        (proc / "meminfo").write_text("MemTotal: 99999 kB\nMemAvailable: 8789 kB\n")
    for name, text in limits.items():
        (cgroups / name).parent.mkdir(parents=True, exist_ok=True)
        (cgroups / name).write_text(text)
    assert available_memory(proc, cgroups) == (8789 * 1024 if left == 9_000_000 else left)


def test_shared_keys_are_not_copied_and_nothing_that_is_said_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import DynamicCache, LlamaForCausalLM
    from transformers.integrations import sdpa_attention

    folder = make_tiny_llama(tmp_path)

    def said(model: Any) -> torch.Tensor:
        """The logits after prompts of 9 tokens, the second with 4 of padding, and after 3 more tokens."""
        tokens, mask = torch.arange(12).expand(2, 12) + 100, torch.ones(2, 12, dtype=torch.bool)
        mask[1, :4] = False
        cache, logits = DynamicCache(config=model.config), []
        with torch.inference_mode():
            for start, end in ((0, 9), (9, 10), (10, 11), (11, 12)):
                result = model(
                    input_ids=tokens[:, start:end], attention_mask=mask[:, :end], past_key_values=cache
                )
                logits.append(result.logits[:, -1])
        return torch.stack(logits)

    plain: Any = LlamaForCausalLM.from_pretrained(folder)
    right = said(plain.eval())
    ours = Weights.load("tiny", str(folder), "cpu").model
    monkeypatch.setattr(sdpa_attention, "repeat_kv", lambda *_: pytest.fail("the keys were copied"))
    assert torch.allclose(said(ours), right, atol=1e-5)
    monkeypatch.undo()
    whole = torch.arange(8).unsqueeze(0) + 100  # without padding, which needs no mask
    with torch.inference_mode():
        assert torch.allclose(ours(input_ids=whole).logits, plain(input_ids=whole).logits, atol=1e-5)
