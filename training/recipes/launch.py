"""How a recipe's processes are started: one by itself, several by torchrun or accelerate."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from flowreasoner import command

from training.pocket.environment import VARIABLES
from training.recipes.kinds import Recipe

PROGRAM = "training.trainers"


def argv(run_folder: str) -> list[str]:
    """The command of any training job."""
    return command(PROGRAM, run_folder)


def start_ranks(recipe: Recipe, run_folder: Path) -> None:
    """Become what starts the recipe's processes. Returns where this process is the only one, or one of them.

    On a CPU it starts itself again, once, with the memory settings of `training.pocket.environment`.
    """
    environment = dict(os.environ)
    if recipe.hardware.device == "cpu":
        # By itself Accelerate names the CPU of several ranks "cpu:0", and torch.load knows no such place:
        # no rank could load the state of its optimizer.
        environment |= VARIABLES | {"ACCELERATE_TORCH_DEVICE": "cpu"}
    program = None if "LOCAL_RANK" in os.environ else ranks(recipe, run_folder)
    if program is None:
        if environment == dict(os.environ):
            return
        program = argv(str(run_folder))
    os.execve(program[0], program, environment)


def ranks(recipe: Recipe, run_folder: Path) -> list[str] | None:
    """The command that starts several processes, None where a recipe has one. Writes accelerate's file."""
    hardware = recipe.hardware
    if hardware.processes == 1:
        return None
    python = [sys.executable, "-P", "-m"]
    if hardware.sharding == "none":
        launcher = [*python, "torch.distributed.run", "--standalone", "--no-python"]
        return [*launcher, f"--nproc-per-node={hardware.processes}", *argv(str(run_folder))]
    file = run_folder / "accelerate.yaml"
    file.write_text(accelerate_file(recipe), "utf-8")
    launcher = [*python, "accelerate.commands.launch", "--config_file", str(file), "--no_python"]
    return [*launcher, *argv(str(run_folder))]


_SHARDING = {
    "fsdp2": """distributed_type: FSDP
fsdp_config:
  fsdp_version: 2
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_cpu_ram_efficient_loading: true
  fsdp_offload_params: false
  fsdp_reshard_after_forward: true
  fsdp_state_dict_type: FULL_STATE_DICT
""",
    "zero3": """distributed_type: DEEPSPEED
deepspeed_config:
  zero_stage: 3
  zero3_init_flag: true
  zero3_save_16bit_model: true
  offload_optimizer_device: none
  offload_param_device: none
""",
}


def accelerate_file(recipe: Recipe) -> str:
    """Accelerate's configuration for a recipe that is divided over GPUs: TRL's own, with its numbers."""
    hardware = recipe.hardware
    precision = "bf16" if hardware.precision == "bfloat16" else "no"
    return (
        "compute_environment: LOCAL_MACHINE\n"
        f"{_SHARDING[hardware.sharding]}"
        f"mixed_precision: '{precision}'\n"
        "num_machines: 1\n"
        f"num_processes: {hardware.processes}\n"
        "machine_rank: 0\n"
        "main_training_function: main\n"
        "rdzv_backend: static\n"
        "same_network: true\n"
        "use_cpu: false\n"
    )
