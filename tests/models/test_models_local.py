"""The in-process model with a tiny random Llama: real torch, real batching."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.models.base import Completion, Delta, Message, ModelError, Sampling, Share
from engine.models.local import LocalModel
from engine.models.local.sampling import Choice, Chooser
from engine.models.local.text import TextStream
from tests.support.streams import begun
from tests.support.tiny_llama import TEMPLATE, make_tiny_llama


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
async def model(folder: Path) -> AsyncGenerator[LocalModel, None]:
    made = LocalModel("hf:tiny", str(folder), device="cpu")
    yield made
    await made.aclose()


def ask(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


async def finish(model: LocalModel, text: str, sampling: Sampling) -> tuple[str, Completion]:
    """The concatenated text deltas and the completion."""
    items = [item async for item in model.stream(ask(text), sampling)]
    assert isinstance(items[-1], Completion)
    return "".join(i.text for i in items if isinstance(i, Delta) and i.channel == "text"), items[-1]


async def test_batched_equals_alone_and_streams_what_it_completes(model: LocalModel) -> None:
    calls = [
        (
            f"question {'x' * (7 * i % 40)}",
            Sampling(
                temperature=(0.0, 1.0, 0.7)[i % 3], top_p=(1.0, 0.9)[i % 2], max_tokens=5 + 3 * i, seed=i
            ),
        )
        for i in range(14)
    ]
    alone = [await finish(model, *call) for call in calls]
    together = await asyncio.gather(*(finish(model, *call) for call in calls))
    assert alone == together
    for streamed, done in alone:
        assert streamed == done.text
    assert len({done.text for _, done in alone}) > 10


async def test_late_arrival_joins_a_running_batch(model: LocalModel) -> None:
    """The short call, made once the long one is streaming, is done long before it."""
    order: list[str] = []

    async def long() -> None:
        async for item in model.stream(ask("long"), Sampling(max_tokens=200, temperature=1.0, seed=1)):
            if isinstance(item, Delta):
                started.set()
            if isinstance(item, Completion):
                order.append("long")

    started = asyncio.Event()
    task = asyncio.create_task(long())
    await started.wait()
    late = await finish(model, "short", Sampling(max_tokens=3, temperature=1.0, seed=2))
    order.append("short")
    await task
    assert order == ["short", "long"]
    assert late == await finish(model, "short", Sampling(max_tokens=3, temperature=1.0, seed=2))


async def test_seeds(model: LocalModel) -> None:
    def sampled(seed: int | None) -> Sampling:
        return Sampling(temperature=1.0, max_tokens=30, seed=seed)

    first, same, other = [(await finish(model, "q", sampled(s)))[0] for s in (1, 1, 2)]
    unseeded = {(await finish(model, "q", sampled(None)))[0] for _ in range(3)}
    assert first == same != other
    assert len(unseeded) > 1


async def test_tokens_are_counted_exactly_and_cost_nothing(model: LocalModel) -> None:
    _, done = await finish(model, "four", Sampling(max_tokens=6, temperature=0.0))
    assert done.tokens_in == len("four") + 2  # a token a byte, and the two role marks
    assert (done.tokens_out, done.finish, done.flags) == (6, "length", ("truncated",))
    assert done.cost_usd == 0.0


async def test_stop_string_ends_the_answer_and_is_left_out(model: LocalModel) -> None:
    whole, _ = await finish(model, "q", Sampling(max_tokens=60, temperature=1.0, seed=5))
    at = next(i for i in range(4, len(whole) - 2) if "\ufffd" not in whole[i : i + 2])
    stop = whole[at : at + 2]
    cut, done = await finish(model, "q", Sampling(max_tokens=60, temperature=1.0, seed=5, stop=(stop,)))
    assert cut == done.text == whole[: whole.index(stop)]
    assert done.finish == "stop"
    assert done.tokens_out < 60


async def test_leaving_the_stream_stops_the_row_and_spares_the_others(model: LocalModel) -> None:
    other = asyncio.create_task(finish(model, "other", Sampling(max_tokens=60, temperature=1.0, seed=3)))
    stream = model.stream(ask("left"), Sampling(max_tokens=250, temperature=1.0, seed=4))
    await begun(stream)
    await stream.aclose()
    kept = await other
    assert kept == await finish(model, "other", Sampling(max_tokens=60, temperature=1.0, seed=3))


async def test_context_is_checked_and_never_overrun(model: LocalModel) -> None:
    with pytest.raises(ModelError, match="shorten") as caught:
        await finish(model, "x" * 254, Sampling())
    assert caught.value.kind == "context-length"
    _, done = await finish(model, "x" * 250, Sampling(temperature=0.0))
    assert done.tokens_in + done.tokens_out == 256
    assert done.finish == "length"


async def test_a_call_is_told_its_share_of_the_model(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing while it waits, and then as much as the others that are decoded with it."""
    monkeypatch.setattr("engine.models.local.scheduler.MAX_ROWS", 2)
    monkeypatch.setattr("engine.models.local.scheduler._TELL_S", 0.0)

    async def shares(text: str, tokens: int) -> list[float]:
        sampling = Sampling(max_tokens=tokens, temperature=1.0, seed=1)
        items = [item async for item in model.stream(ask(text), sampling)]
        told = [item.part for item in items if isinstance(item, Share)]
        assert items[: len(told[:2])] == [Share(told[0]), Share(told[1])], "before the answer begins"
        return told

    assert await shares("alone", 5) == [0, 1]
    long, *others = await asyncio.gather(shares("long", 200), *(shares(f"{n}", 5) for n in range(3)))
    assert [told[:2] for told in others] == [[0, 0.5]] * 3
    assert long[0] == 0 and 0.5 in long and long[-1] == 1, "the others are done long before it"


async def test_more_calls_than_rows_all_finish(model: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.models.local.scheduler.MAX_ROWS", 3)
    sampling = Sampling(max_tokens=8, temperature=0.0)
    results = await asyncio.gather(*(finish(model, f"q{i % 4}", sampling) for i in range(20)))
    assert len({done.text for _, done in results}) <= 4


async def test_calls_wait_for_memory_where_there_is_little(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.models.local.batch import Batch
    from engine.models.local.weights import Weights

    most: list[int] = []
    step = Batch.step

    def counted(self: Batch) -> object:
        most.append(len(self.live))
        return step(self)

    monkeypatch.setattr(Batch, "step", counted)
    sampling = Sampling(max_tokens=12, temperature=0.0)

    async def answers() -> list[str]:
        results = await asyncio.gather(*(finish(model, f"q{i}", sampling) for i in range(9)))
        return [done.text for _, done in results]

    right = await answers()
    assert max(most) > 4
    most.clear()
    monkeypatch.setattr(Weights, "memory_left", lambda _: 0.0)
    assert await answers() == right
    assert max(most) == 1  # one always has room


async def test_weights_load_once_for_all_models_of_a_folder(folder: Path) -> None:
    from engine.models.local import scheduler

    one, two = (LocalModel(name, str(folder), device="cpu") for name in "ab")
    sampling = Sampling(max_tokens=2, temperature=0.0)
    await asyncio.gather(finish(one, "q", sampling), finish(two, "q", sampling))
    key = scheduler._key(str(folder), "cpu")  # whatever else this process has loaded
    assert scheduler._open[key][1] == 2
    await one.aclose()
    assert (await finish(two, "q", sampling))[1].tokens_out == 2
    await two.aclose()
    assert key not in scheduler._open


async def test_models_of_several_folders_load_at_once(folder: Path, tmp_path: Path) -> None:
    folders = [shutil.copytree(folder, tmp_path / str(n)) for n in range(8)]
    models = [LocalModel(f"hf:{path.name}", str(path), device="cpu") for path in folders]
    sampling = Sampling(max_tokens=2, temperature=0.0)
    ended = await asyncio.gather(*(finish(model, "q", sampling) for model in models))
    assert [done.tokens_out for _, done in ended] == [2] * len(models)
    for model in models:
        await model.aclose()


async def test_closing_during_a_call_fails_the_call(folder: Path) -> None:
    model = LocalModel("hf:tiny", str(folder), device="cpu")
    stream = model.stream(ask("q"), Sampling(temperature=1.0, seed=1))
    await begun(stream)
    await model.aclose()
    with pytest.raises(ModelError, match="closed"):
        async for item in stream:
            assert not isinstance(item, Completion)


async def test_missing_and_broken_weights(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.safetensors").write_bytes(b"not safetensors")
    for source, kind in ((tmp_path / "none", "not-found"), (broken, "bad-response")):
        model = LocalModel("hf:it", str(source), device="cpu")
        for _ in range(2):  # the second call is told as well
            with pytest.raises(ModelError, match="cannot load") as caught:
                await finish(model, "q", Sampling())
            assert caught.value.kind == kind
        await model.aclose()


async def test_template_faults_reach_only_their_call(tmp_path: Path) -> None:
    strict = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TEMPLATE
    )
    model = LocalModel("hf:it", str(make_tiny_llama(tmp_path / "strict", template=strict)), device="cpu")
    system: list[Message] = [{"role": "system", "content": "s"}]
    with pytest.raises(ModelError, match="no system"):
        _ = [i async for i in model.stream(system, Sampling())]
    assert (await finish(model, "q", Sampling(max_tokens=2)))[1].tokens_out == 2
    await model.aclose()
    bare = LocalModel("hf:it", str(make_tiny_llama(tmp_path / "bare", template=None)), device="cpu")
    with pytest.raises(ModelError, match="no chat template"):
        await finish(bare, "q", Sampling())
    await bare.aclose()


async def test_prompt_that_opens_the_think_block_starts_with_reasoning(tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path, template=TEMPLATE + "<think>\n")
    model = LocalModel("hf:it", str(folder), device="cpu")
    items = [i async for i in model.stream(ask("q"), Sampling(max_tokens=20, temperature=1.0, seed=1))]
    await model.aclose()
    done = items[-1]
    assert isinstance(done, Completion)
    assert {i.channel for i in items if isinstance(i, Delta)} == {"reasoning"}
    assert done.reasoning
    assert done.flags == ("empty", "only-reasoning", "truncated")


async def test_a_failing_model_says_so_and_recovers(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.models.local.batch import Batch

    def fail(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(Batch, "step", fail)
        with pytest.raises(ModelError, match="not enough memory"):
            await finish(model, "q", Sampling(max_tokens=5))
    assert (await finish(model, "q", Sampling(max_tokens=5)))[1].tokens_out == 5


def test_chooser_obeys_temperature_top_p_and_top_k() -> None:
    import torch

    logits = torch.tensor([[0.0, 3.0, 2.0, 1.0]]).repeat(5, 1)
    choices = [Choice(0.0), Choice(1.0, top_p=0.01), Choice(5.0, top_k=2), Choice(1.0), Choice(1.0)]
    pick = Chooser(choices, [[]] * 5, torch.device("cpu"))
    seen = [set(column) for column in zip(*(pick(logits, [i / 200] * 5) for i in range(200)), strict=True)]
    assert seen == [{1}, {1}, {1, 2}, {0, 1, 2, 3}, {0, 1, 2, 3}]


def test_what_top_p_and_top_k_keep_is_what_the_whole_order_says() -> None:
    """With many equally likely tokens, as in bfloat16, and with nuclei of more tokens than are looked at
    first; whoever shares the batch.
    """
    import torch

    draw = torch.Generator().manual_seed(3)
    heights = (0.1, 1.0, 3.0, 8.0)
    logits = torch.cat([(torch.randn(4, 3000, generator=draw) * h).bfloat16() for h in heights])
    limits = [(1.0, 0), (1.0, 1), (1.0, 20), (0.8, 20), (0.9, 0), (0.05, 0), (0.999, 2500), (1.0, 1024)]
    choices = [Choice(0.7, p, k) for p, k in limits * 2]
    whole = Chooser(choices, [[]] * len(choices), torch.device("cpu"))
    chances = torch.softmax(logits.float() / 0.7, -1)
    kept = whole._kept(chances)
    for row, (top_p, top_k) in enumerate(limits * 2):
        ordered, order = chances[row].sort(stable=True, descending=True)
        before = (ordered.cumsum(-1) - ordered) / (ordered[:top_k].sum() if top_k else 1.0)
        right = {
            token
            for rank, token in enumerate(order.tolist())
            if rank == 0 or ((top_p >= 1 or before[rank] < top_p) and (not top_k or rank < top_k))
        }
        assert set(kept[row].nonzero().flatten().tolist()) == right, (row, top_p, top_k)
        alone = Chooser([choices[row]], [[]], torch.device("cpu"))
        assert torch.equal(alone._kept(chances[row : row + 1])[0], kept[row])


def test_characters_of_several_tokens_stay_whole() -> None:
    raw = "né 😀!".encode()
    stream = TextStream(lambda tokens: bytes(tokens).decode("utf-8", "replace"), (), thinking=False)
    pieces = [delta.text for token in raw for delta in stream.feed(token)]
    pieces += [delta.text for delta in stream.close()]
    assert pieces == ["n", "é", " ", "😀", "!"]


@pytest.mark.parametrize("stops", [(), ("STOP",), ("é!", "</think>x")])
@pytest.mark.parametrize("thinking", [False, True])
def test_tokens_that_come_at_once_make_the_text_of_those_that_come_one_by_one(
    stops: tuple[str, ...], thinking: bool
) -> None:
    draw = random.Random(1)
    words = ["né ", "😀", "!", "<think>", "</think>", "x", "STOP", "STO", "\n", "é!", "𝄞", "<", "</thi"]
    for _ in range(200):
        raw = "".join(draw.choices(words, k=draw.randrange(30))).encode()
        raw = raw[: draw.randrange(len(raw) + 1)]  # the last character may be cut
        one, whole = (
            TextStream(lambda tokens: bytes(tokens).decode("utf-8", "replace"), stops, thinking=thinking)
            for _ in range(2)
        )
        for token in raw:
            if not one.stopped:
                one.feed(token)
        whole.feed_all(raw)
        for stream in (one, whole):
            stream.close()
        assert (whole.text, whole.reasoning, whole.stopped) == (one.text, one.reasoning, one.stopped), raw


@pytest.mark.parametrize(
    "text", ["\ud800", "a \udfff b", "\ud83d", "\udc00\ud800", "x" * 50 + "\udbff", "\udce9"]
)
async def test_half_a_character_in_a_prompt_reaches_who_asked(model: LocalModel, text: str) -> None:
    """Alone and beside calls that are fine, which go on."""
    good = Sampling(max_tokens=4, seed=1)
    with pytest.raises(ModelError, match="hf:tiny"):
        await asyncio.wait_for(finish(model, text, good), 300)
    results = await asyncio.wait_for(
        asyncio.gather(*(finish(model, t, good) for t in ("one", text, "two")), return_exceptions=True),
        60,
    )
    assert [isinstance(r, ModelError) for r in results] == [False, True, False]


class Panic(BaseException):
    """As a panic in the tokenizer's Rust code is: no Exception."""


@pytest.mark.parametrize(
    "error",
    [TypeError("x"), RecursionError("x"), MemoryError(), SystemExit(1), KeyboardInterrupt(), Panic("x")],
)
@pytest.mark.parametrize("place", ["prompt", "room", "decode"])
async def test_any_error_of_a_call_reaches_who_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, place: str
) -> None:
    from engine.models.local.chat import Chat
    from engine.models.local.weights import Weights

    model = LocalModel("hf:failing", str(folder), device="cpu")

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Weights if place == "room" else Chat, place, fail)
        with pytest.raises(ModelError, match="hf:failing"):
            await asyncio.wait_for(finish(model, "q", Sampling(max_tokens=3)), 300)
    # The next call finds the thread alive.
    _, done = await asyncio.wait_for(finish(model, "q", Sampling(max_tokens=3)), 300)
    assert done.tokens_out == 3
    await model.aclose()


async def test_answers_have_a_limit_where_nobody_sets_one_and_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.models.local import weights

    monkeypatch.setattr(weights, "DEFAULT_ROOM", 30)
    model = LocalModel("hf:long", str(make_tiny_llama(tmp_path)), device="cpu")
    endless = Sampling(temperature=1.0, seed=1)
    _, done = await finish(model, "q", endless)
    assert (done.tokens_out, done.flags) == (30, ("truncated", "default-limit"))
    _, done = await finish(model, "q", replace(endless, max_tokens=40))
    assert (done.tokens_out, done.flags) == (40, ("truncated",))
    # Where the context has less room than the limit, it is the context that ends the answer.
    _, done = await finish(model, "q" * 235, endless)
    assert done.tokens_out < 30
    assert done.flags == ("truncated",)
    await model.aclose()


async def test_an_answer_that_only_repeats_itself_is_ended_and_it_is_told(tmp_path: Path) -> None:
    import torch
    from transformers import LlamaForCausalLM

    tiny = make_tiny_llama(tmp_path, template=TEMPLATE + "a", context=2048)
    weights = LlamaForCausalLM.from_pretrained(tiny)
    with torch.no_grad():  # without its layers, a model with tied embeddings says the last token again
        for layer in weights.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    weights.save_pretrained(tiny)
    model = LocalModel("hf:round", str(tiny), device="cpu")
    _, done = await finish(model, "q", Sampling(temperature=0.0))
    _, short = await finish(model, "q", Sampling(temperature=0.0, max_tokens=300))
    await model.aclose()
    assert (done.finish, done.flags) == ("length", ("truncated", "repetition"))
    assert done.text == "a" * 384 and done.tokens_out == 384
    assert (short.flags, short.tokens_out) == (("truncated",), 300)


def test_what_is_repetition_and_what_is_not() -> None:
    from engine.models.local.row import repeats

    draw = random.Random(1)
    before = [draw.randrange(99) for _ in range(100)]
    for size in (1, 2, 7, 48):
        piece = [draw.randrange(99) for _ in range(size - 1)] + [100 + size]
        filled = before + piece * (384 // size + 2)
        assert repeats(filled) and repeats(filled[:-1])
        assert not repeats(filled[: len(before) + 300]), "not for long enough yet"
        assert not repeats([*filled, 5]) and not repeats([*filled[:-50], 5, *filled[-50:]])
    counting = [token for n in range(200) for token in (1, 2, n + 10, 3)]
    assert not repeats(counting) and not repeats(list(range(400))) and not repeats([])
    assert not repeats([draw.randrange(99) for _ in range(60)] * 8), "a long piece may be meant"


def test_threads_are_as_few_as_do_as_well_as_more() -> None:
    from engine.models.local.weights import fewest

    def chosen(cores: int, *took: float) -> int:
        times = iter(took)
        return fewest(cores, lambda _: next(times))

    assert [chosen(1, 9.0), chosen(2, 9.0, 5.0), chosen(2, 9.0, 8.5)] == [1, 2, 1]
    assert chosen(6, 9.0, 5.0, 3.0, 2.9) == 4  # of 1, 2, 4 and 6
    assert chosen(8, 9.0, 5.0, 6.0, 8.0) == 2


@pytest.mark.parametrize(("flags", "kind"), [("fpu avx2", "float32"), ("fpu avx512_bf16", "bfloat16")])
def test_bfloat16_is_computed_where_the_cpu_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, kind: str
) -> None:
    import torch
    from transformers import LlamaForCausalLM

    from engine.models.local.weights import Weights

    tiny = make_tiny_llama(tmp_path)
    LlamaForCausalLM.from_pretrained(tiny).to(torch.bfloat16).save_pretrained(tiny)
    read = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path, *a: flags if str(path) == "/proc/cpuinfo" else read(path, *a)
    )
    assert str(Weights.load("tiny", str(tiny), "cpu").model.dtype) == f"torch.{kind}"
