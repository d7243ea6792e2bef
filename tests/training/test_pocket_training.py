"""A training run in miniature: the loop, the batches, the tokenizer, saving and loading."""

import random

import pytest

from tests.support.missing import needs
from training.pocket import batches, loop, model, tokens, worker
from training.pocket.courses import WorkerCourse
from training.pocket.generate import generate

needs("torch", "transformers")


TINY = model.Shape(32, 1, 2, 64, 512, 512, temperature=0.8, new_tokens=20)


@pytest.fixture(scope="module")
def course() -> WorkerCourse:
    return WorkerCourse(random.Random(1))


@pytest.fixture(scope="module")
def tokenizer(course):
    sample = [course.next() for _ in range(300)]
    texts = [f"{x.messages[-1]['content']}\n{x.answer}" for x in sample]
    return tokens.train_tokenizer(texts, course.sentences(), course.template, TINY.vocabulary)


def trained(course: WorkerCourse, tokenizer, steps: int):
    network = model.make(TINY, tokenizer, seed=0)
    data = batches.batches(tokenizer, course.next, (160, 384), 800)
    schedule = loop.Schedule(None, steps, rate=1e-2, warm_up=2)
    return network, loop.train(network, data, schedule, compiled=False)


def test_a_few_steps_lower_the_loss(course, tokenizer):
    _, losses = trained(course, tokenizer, 16)
    assert len(losses) == 16
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])


def test_the_same_seed_trains_the_same_weights(tokenizer):
    first, a = trained(WorkerCourse(random.Random(7)), tokenizer, 3)
    second, b = trained(WorkerCourse(random.Random(7)), tokenizer, 3)
    assert a == b
    assert all((x == y).all() for x, y in zip(first.parameters(), second.parameters(), strict=True))


def test_only_the_answer_is_learned(course, tokenizer):
    rows, labels, count = next(batches.batches(tokenizer, course.next, (384,), 1600))
    assert rows.shape == labels.shape
    assert 0 < count <= rows.numel()
    kept = labels != batches.IGNORED
    assert (rows[kept] == labels[kept]).all()
    assistant = tokenizer.convert_tokens_to_ids(tokens.ASSISTANT)
    for row, keep in zip(rows.tolist(), kept.tolist(), strict=True):
        assert keep.index(True) == row.index(assistant) + 1


def test_tokenizing_loses_nothing_and_sentences_are_one_token(course, tokenizer):
    for _ in range(50):
        text = course.next().messages[0]["content"]
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    for sentence in course.sentences():
        assert len(tokenizer.encode(sentence, add_special_tokens=False)) == 1
    odd = "naïve 数 \t \x00 ```python\n"
    assert tokenizer.decode(tokenizer.encode(odd, add_special_tokens=False)) == odd


def test_a_saved_model_answers_as_before(course, tokenizer, tmp_path):
    network, _ = trained(course, tokenizer, 2)
    network.half().float()  # what is saved is half precision
    network.eval()
    model.save(network, tokenizer, TINY, tmp_path / "m")
    loaded, loaded_tokenizer = model.load(tmp_path / "m")
    asked = [worker.user("Write a function `f(xs)`.")]
    before = generate(network, tokenizer, asked, temperature=0, new_tokens=12)
    assert generate(loaded, loaded_tokenizer, asked, temperature=0, new_tokens=12) == before
    assert loaded.generation_config.temperature == TINY.temperature
    assert loaded.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids(tokens.END)


def test_the_rate_warms_up_stays_and_falls():
    schedule = loop.Schedule(None, 100, warm_up=10, flat=0.5, final=0.1)
    factors = [schedule.factor(step, schedule.progress(step, 0.0)) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[10:50] == [1.0] * 40
    assert factors[100] == pytest.approx(0.1)
    assert factors[50:] == sorted(factors[50:], reverse=True)


def test_the_meta_agents_template_keeps_both_ends_of_a_long_request(tokenizer):
    tokenizer = tokens.train_tokenizer(["a b c"] * 10, tokens.META_SENTENCES, tokens.META_TEMPLATE, 300)
    content = "Query:\n" + "x" * 9000 + "\n\nImprove on it with one change."
    asked = [{"role": "system", "content": "S"}, {"role": "user", "content": content}]
    text = tokens.templated(tokenizer, asked)  # type: ignore[arg-type]
    assert text.startswith(f"{tokens.USER}Query:\n")
    assert text.endswith(f"Improve on it with one change.{tokens.ASSISTANT}")
    assert len(text) < 2700
