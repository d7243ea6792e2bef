"""Recipes: presets that load, keys and values that do not, changes on the command line, forms, plans."""

from __future__ import annotations

import pytest

from engine.config import Settings
from sandbox.errors import UsageError
from training import recipes
from training.jobs import specs
from training.jobs.directory import JobError
from training.recipes.launch import accelerate_file, ranks
from training.recipes.load import parse


@pytest.mark.parametrize("name", recipes.presets())
def test_a_preset_written_out_is_the_same_recipe(name):
    recipe = recipes.load(name)
    assert parse(recipe.to_toml(), name) == recipe


@pytest.mark.parametrize("name", recipes.presets())
def test_every_field_can_be_asked_for(name):
    recipe = recipes.load(name)
    for field in recipes.fields(recipe):
        assert field.description, field.name
        assert field.type in ("bool", "int", "float", "text", "list", "choice")
        if field.choices:
            assert field.default in field.choices
        if field.default is None:
            assert field.optional


def test_a_field_says_its_unit_and_where_its_default_comes_from():
    fields = {f.name: f for f in recipes.fields(recipes.load("grpo-7b"))}
    assert fields["rollouts.limits.seconds"].unit == "s"
    assert "1.1" in fields["advantages.k"].source
    assert fields["advantages.max_abs"].optional and fields["advantages.max_abs"].type == "float"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("lora.rnak=3", "did you mean 'lora.rank'?"),
        ("learning_rate=1e-3", "did you mean optimizer.learning_rate?"),
        (
            "optimizer.learning_rate=fast",
            "optimizer.learning_rate: input should be a valid number, not 'fast'",
        ),
        ("optimizer.learning_rate=-1", "greater than 0, not '-1'"),
        ("optimizer.learning_rate=nan", "optimizer.learning_rate"),
        ("epochs=true", "epochs"),
        ("seed=1.5", "seed: input should be a valid integer"),
        ("lora.targets=[]", "lora.targets"),
        (
            "lora.targets=q_proj",
            "lora.targets: input should be a valid list, not 'q_proj'; write [\"q_proj\"], in a shell within",
        ),
        ("lora.targets=q_proj, v_proj", 'write ["q_proj", "v_proj"]'),
        ("lora.targets=[q_proj,v_proj]", 'write ["q_proj", "v_proj"]'),
        ("lora.targets=", "lora.targets: input should be a valid list, not ''"),
        ("lora.targets=3", "lora.targets: input should be a valid list, not '3'"),
        ("hardware.sharding=fsdp3", "'none', 'fsdp2' or 'zero3'"),
        ("hardware.sharding=fsdp2", "divides over several GPUs"),
        ("batch.rows=7", "batch.rows (7) must be a multiple of"),
        ("checkpoints.keep=0", "greater than or equal to 1"),
        ("model=pocket-meta", "did you mean"),
        ("rollouts.group=4", "a recipe of kind sft has no key 'rollouts.group'"),
        ("epochs", "write KEY=VALUE"),
        ("=3", "has no key ''"),
    ],
)
def test_a_wrong_change_is_named_in_one_sentence(change, words):
    with pytest.raises(recipes.RecipeError) as caught:
        recipes.load("sft-embedded", [change])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == UsageError.exit_code


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "kind = 'sft'\n[lora]\nrnak = 3",
            "no key 'lora.rnak' in a recipe of this kind (did you mean 'rank'?)",
        ),
        ("kind = 'sft'\nlearning_rat = 1.0", "no key 'learning_rat'"),
        ("kind = 'sfd'", "kind is 'sfd': it must be one of sft, dpo, grpo"),
        ("kind = ['sft']", "kind is"),
        ("epochs = 2.0", "kind is missing"),
        ("kind = ", "not valid TOML"),
        ("kind = 'sft'\nmodel = 3", "model: input should be a valid dictionary"),
        (
            "kind = 'grpo'\n[rollouts]\ngroup = 1",
            "rollouts.group: input should be greater than or equal to 2",
        ),
        ("x = " + "[" * 5000, "recipe"),
    ],
)
def test_a_wrong_file_is_named_in_one_sentence(tmp_path, text, words):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(recipes.RecipeError) as caught:
        recipes.load(str(file))
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_a_name_that_is_neither_preset_nor_file_names_the_nearest(tmp_path):
    with pytest.raises(recipes.RecipeError, match="did you mean 'sft-embedded'"):
        recipes.load("sft-embeded")
    with pytest.raises(recipes.RecipeError, match="directory"):
        recipes.load(str(tmp_path))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"kind = '\xff'")
    with pytest.raises(recipes.RecipeError, match="byte 8 is not UTF-8"):
        recipes.load(str(binary))


def test_changes_are_values_of_toml_or_bare_words():
    recipe = recipes.load(
        "sft-embedded",
        ["model.base=hf:Org/Name", 'data.path="a \\"b\\""', "epochs=2", "lora.targets=['q_proj', 'v_proj']"],
    )
    assert isinstance(recipe, recipes.SFTRecipe)
    assert recipe.model.base == "hf:Org/Name"
    assert recipe.data.path == 'a "b"'
    assert recipe.epochs == 2.0
    assert recipe.lora.targets == ["q_proj", "v_proj"]
    assert parse(recipe.to_toml(), "again") == recipe


def test_several_gpus_get_a_launcher_and_its_file(tmp_path):
    fsdp, zero = recipes.load("sft-7b"), recipes.load("sft-14b")
    assert "fsdp_version: 2" in accelerate_file(fsdp) and "mixed_precision: 'bf16'" in accelerate_file(fsdp)
    assert "zero_stage: 3" in accelerate_file(zero)
    command = ranks(fsdp, tmp_path)
    assert command is not None and "accelerate.commands.launch" in command
    assert (tmp_path / "accelerate.yaml").read_text() == accelerate_file(fsdp)
    copied = ranks(recipes.load("sft-qwen3-8b"), tmp_path)
    assert copied is not None and "--nproc-per-node=8" in copied
    assert ranks(recipes.load("sft-embedded"), tmp_path) is None


def test_accelerate_reads_the_files_as_they_are_meant(tmp_path):
    commands = pytest.importorskip("accelerate.commands.config.config_args")
    for name, kind in (("sft-7b", "FSDP"), ("grpo-14b", "DEEPSPEED")):
        file = tmp_path / f"{name}.yaml"
        file.write_text(accelerate_file(recipes.load(name)))
        read = commands.load_config_from_file(str(file))
        assert read.distributed_type.value == kind
        assert read.num_processes == 8


def test_a_plan_counts_rows_and_says_what_its_estimates_rest_on(tmp_path):
    pytest.importorskip("trl")
    from tests.support import training as support
    from training.data.rows import open_data, sft_rows
    from training.recipes.base import load_tokenizer

    model = support.small_model(tmp_path / "model")
    data = support.sft_set(tmp_path / "rows")
    settings = Settings(store=tmp_path / "store.db")
    changes = [f"model.base=hf:{model}", f"data.path={data}", "data.max_length=200", "batch.rows=8"]
    recipe = recipes.load("sft-embedded", [*changes, "epochs=3"])
    plan = recipes.plan(recipe, str(tmp_path / "run"), settings)
    lengths = [
        len(r.ids) for r in sft_rows(open_data(str(data)), load_tokenizer(recipe.model, settings), 200)
    ]
    assert (plan.rows, plan.tokens, plan.longest) == (12, sum(lengths), max(lengths))
    assert plan.steps == 6  # two batches of eight, three times
    assert plan.argv[-2:] == ["training.trainers", str(tmp_path / "run")]
    assert set(plan.estimates) == {"memory", "time", "disk"}
    assert all(e.value > 0 and e.unit and e.basis for e in plan.estimates.values())
    half = recipes.plan(recipes.load("sft-embedded", [*changes, "max_steps=3"]), "RUN", settings)
    assert half.steps == 3
    adapters = recipes.plan(recipes.load("sft-embedded", [*changes, "lora.enabled=true"]), "RUN", settings)
    assert adapters.estimates["disk"].value < plan.estimates["disk"].value
    without = [change for change in changes if not change.startswith("data.path")]
    unknown = recipes.plan(recipes.load("sft-embedded", without), "RUN", settings)
    assert unknown.rows is None and unknown.steps is None and "time" not in unknown.estimates
    with pytest.raises(UsageError, match="is no data set"):
        recipes.plan(recipes.load("sft-embedded", ["data.path=/nowhere"]), "RUN", settings)


def test_what_training_needs_is_said_before_a_job_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs, "find_spec", lambda name: None if name in ("trl", "peft") else name)
    with pytest.raises(JobError, match=r"^training needs trl, peft: pip install 'flowreasoner\[train\]'$"):
        specs.training_spec(recipes.load("sft-embedded"), "first")


def test_a_plan_says_what_a_policys_server_needs():
    changes = ["generation.backend=vllm-server", "generation.server=http://gpu:9000/v1"]
    given = recipes.load("grpo-embedded", [*changes, "generation.weights=/net/policy"])
    guesses = recipes.plan(given, "RUN", Settings()).estimates
    # The newest three checkpoints, the best and one being written, each with two moments.
    assert guesses["weights"].value == pytest.approx(guesses["disk"].value / (5 * 3))
    basis = guesses["weights"].basis
    assert "written to /net/policy for the server at http://gpu:9000 after each step" in basis
    assert "VLLM_SERVER_DEV_MODE=1 vllm serve pocket-meta" in basis
    assert "--max-model-len 2048 --host gpu --port 9000" in basis
    embedded = recipes.plan(recipes.load("grpo-embedded"), "RUN", Settings())
    assert "weights" not in embedded.estimates


@pytest.mark.parametrize("preset", ["sft-embedded", "dpo-embedded", "grpo-embedded", "maas"])
def test_forms_and_files_begin_with_what_is_trained_and_on_what(preset):
    """Then the own settings of the method, then how and where; in a file single values come first."""
    recipe = recipes.load(preset)
    sections = list(dict.fromkeys(name.split(".")[0] for name in (f.name for f in recipes.fields(recipe))))
    assert sections[: sections.index("data") + 1] in (["model", "lora", "data"], ["data"])
    assert sections[-4:] == ["checkpoints", "hardware", "alerts", "seed"]
    shared = {"model", "lora", "data", "optimizer", "checkpoints", "hardware", "alerts", "seed"}
    own = [name for name in sections if name not in shared]
    assert own == [name for name in type(recipe).model_fields if name in own]  # as they are declared
    assert set(sections) == set(type(recipe).model_fields) - {"kind"}
    tables = [line[1:-1] for line in recipe.to_toml().splitlines() if line.startswith("[")]
    assert [t for t in tables if "." not in t] == [s for s in sections if s in tables]
