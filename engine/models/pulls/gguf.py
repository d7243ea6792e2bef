"""GGUF files: converted once to a folder of safetensors, which loads faster.

Run as a program, by `convert`, so that a file that takes too much memory ends that process alone.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import flowreasoner

from engine.models.faults import clip
from sandbox.errors import UnavailableError, UsageError

_MAGIC = b"GGUF"
# What a file may say of how its makers sample (`general.sampling.…`), and what Transformers calls it.
_SAMPLING = {
    "temp": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "penalty_repeat": "repetition_penalty",
}


def check(path: Path) -> None:
    """Raises UsageError where this is no GGUF file, or a part of one that is split over several."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    if magic != _MAGIC:
        raise UsageError(f"{path} is no GGUF file: name a .gguf file, or the folder of a model")
    if "-of-0" in path.stem and not path.stem.endswith("-of-00001"):
        raise UsageError(f"{path} is a part of a model: join the parts first (llama-gguf-split --merge)")


def convert(source: Path, folder: Path, called: str) -> None:
    """Write the model of a GGUF file into `folder` as safetensors, with its configuration and tokenizer.

    `called` is what messages call the file.

    Raises:
        UsageError: Transformers cannot read the file.
        UnavailableError: PyTorch or the `gguf` package is missing, or memory or disk did not suffice.
    """
    command = flowreasoner.command("engine.models.pulls.gguf", str(source.absolute()), str(folder.absolute()))
    ended = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if ended.returncode == 0:
        return
    if ended.returncode < 0:
        raise UnavailableError(
            f"{called}: its conversion was ended by signal {-ended.returncode}, most likely out of memory"
        )
    with contextlib.suppress(ValueError, TypeError):
        why = json.loads(ended.stdout)["error"]
        raise (UnavailableError if ended.returncode == 3 else UsageError)(f"{called}: {clip(str(why))}")
    last = (ended.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    raise UsageError(f"{called}: cannot be converted: {clip(last)}")


def _convert(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    kind: Any = AutoModelForCausalLM
    # As the models were before they were quantised; of float32, what was lost then is not to be had.
    model = kind.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.bfloat16)
    tokenizer: Any = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # What is saved is not quantised any more, and Transformers refuses to cast what says it is.
    model.config.quantization_config = None
    sampling = _sampling(source)
    if sampling and sampling.get("temperature", 1) > 0:
        model.generation_config.update(do_sample=True, **sampling)
    try:
        model.save_pretrained(folder)
    except (NotImplementedError, RuntimeError, ValueError, TypeError):
        # Some models cannot undo how their weights were laid out at loading: their tensors as they are do.
        _save_tensors(model, folder)
    tokenizer.save_pretrained(folder)
    _name_added_tokens(tokenizer, folder / "tokenizer_config.json")


def _name_added_tokens(tokenizer: Any, file: Path) -> None:
    """Name the added tokens where makers' files do. Else every load looks for them in all of
    tokenizer.json.
    """
    config = json.loads(file.read_text("utf-8"))
    added = {str(number): token.__getstate__() for number, token in tokenizer.added_tokens_decoder.items()}
    file.write_text(json.dumps({**config, "added_tokens_decoder": added}, indent=2), "utf-8")


def _sampling(source: Path) -> dict[str, float]:
    """The settings for sampling that the file brings, by Transformers' names."""
    from gguf import GGUFReader

    fields = GGUFReader(source).fields
    given = {name: fields.get(f"general.sampling.{key}") for key, name in _SAMPLING.items()}
    return {name: field.contents() for name, field in given.items() if field is not None}


def _save_tensors(model: Any, folder: Path) -> None:
    from safetensors.torch import save_file

    shared, tensors = set(), {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in shared:  # tied weights are tied again at loading
            shared.add(tensor.data_ptr())
            tensors[name] = tensor.contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)


def _main(source: str, folder: str) -> int:
    try:
        _convert(Path(source), Path(folder))
    except ImportError as error:
        why, code = f"{error}: pip install 'flowreasoner[local]'", 3
    except (MemoryError, OSError) as error:
        why, code = f"{error or 'out of memory'}", 3
    except (ValueError, KeyError, RuntimeError, IndexError, NotImplementedError) as error:
        why, code = f"Transformers cannot read it: {error}", 2
    else:
        return 0
    sys.stdout.write(json.dumps({"error": why}))
    return code


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
