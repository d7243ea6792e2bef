"""Workflow files in the layouts of the public projects, own-written."""

from __future__ import annotations

AFLOW = '''from typing import Literal
import workspace.HumanEval.workflows.template.operator as operator
import workspace.HumanEval.workflows.round_3.prompt as prompt_custom
from scripts.async_llm import create_llm_instance
from scripts.logs import logger

from scripts.evaluator import DatasetType


class Workflow:
    def __init__(self, name: str, llm_config, dataset: DatasetType) -> None:
        self.name = name
        self.dataset = dataset
        self.llm = create_llm_instance(llm_config)
        self.custom_code_generate = operator.CustomCodeGenerate(self.llm)
        self.checker = operator.Test(self.llm)

    async def __call__(self, problem: str, entry_point: str):
        """Write, then test."""
        made = await self.custom_code_generate(
            problem=problem, entry_point=entry_point, instruction=prompt_custom.WRITE
        )
        logger.info("written")
        tested = await self.checker(problem=problem, solution=made["response"], entry_point=entry_point)
        return tested["solution"], self.llm.get_usage_summary()["total_cost"]
'''
AFLOW_PROMPTS = 'WRITE = """Mind the edge cases."""\n'

METAGPT = """from typing import Literal
import metagpt.ext.aflow.scripts.optimized.MBPP.workflows.template.operator as operator
import metagpt.ext.aflow.scripts.optimized.MBPP.workflows.round_2.prompt as prompt_custom
from metagpt.provider.llm_provider_registry import create_llm_instance
from metagpt.utils.cost_manager import CostManager

DatasetType = Literal["HumanEval", "MBPP"]

class Workflow:
    def __init__(self, name: str, llm_config, dataset: DatasetType) -> None:
        self.name = name
        self.llm = create_llm_instance(llm_config)
        self.llm.cost_manager = CostManager()
        self.custom_code_generate = operator.CustomCodeGenerate(self.llm)
        self.sc_ensemble = operator.ScEnsemble(self.llm)

    async def __call__(self, problem: str, entry_point: str):
        drafts = []
        for _ in range(2):
            made = await self.custom_code_generate(
                problem=problem, entry_point=entry_point, instruction=prompt_custom.WRITE
            )
            drafts.append(made["response"])
        best = await self.sc_ensemble(solutions=drafts, problem=problem)
        return best["response"], self.llm.cost_manager.total_cost
"""

SCOREFLOW = '''import asyncio
from typing import Literal
import ScoreFlow.scripts.HumanEval.operator as operator
from metagpt.provider.llm_provider_registry import create_llm_instance as create

class Workflow:
    def __init__(
        self,
        config,
        problem
    ) -> None:
        self.problem = problem
        self.config = create(config)
        self.code_generate = operator.CustomCodeGenerate(self.config, self.problem)
        self.sc_ensemble = operator.ScEnsemble(self.config, self.problem)
        self.test = operator.Test(self.config, self.problem)

    async def run_workflow(self):
        """
        This is a workflow graph.
        """
        drafts = []
        for _ in range(2):
            drafts.append(await self.code_generate(instruction="Think first, then write the code."))
        best = await self.sc_ensemble(solutions=drafts)
        return await self.test(solution=best.strip())
'''
SCOREFLOW_END = """
    async def __call__(self):
        TIMEOUT = 240
        return await asyncio.wait_for(self.run_workflow(), timeout=TIMEOUT)
"""

MAAS = """import torch
import maas.ext.maas.scripts.optimized.HumanEval.train.template.prompt as prompt_custom
import maas.ext.maas.scripts.optimized.HumanEval.train.template.operator as operator
from maas.ext.maas.scripts.optimized.HumanEval.train.template.operator_registry import (
    operator_mapping, operator_names
)
from maas.provider.llm_provider_registry import create_llm_instance
from maas.utils.cost_manager import CostManager
from maas.logs import logger

class Workflow:
    def __init__(
        self, name: str, llm_config, dataset, controller: torch.nn.Module, operator_embeddings
    ) -> None:
        self.name = name
        self.dataset = dataset
        self.llm = create_llm_instance(llm_config)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.llm.cost_manager = CostManager()
        self.test_operator = operator.Test(self.llm)
        self.fallback = operator.CustomCodeGenerate(self.llm)
        self.controller = controller.to(self.device)
        self.operator_embeddings = operator_embeddings.to(self.device)
        self.instances = {name: operator_mapping[name](self.llm) for name in operator_names}
        self.names = operator_names

    async def __call__(self, problem: str, entry_point: str, log_path: str):
        log_probs, layers = self.controller.forward(problem, self.operator_embeddings, self.names)
        current, solutions, total = "", [], 0.0
        for index, chosen in enumerate(layers):
            for name in chosen:
                run = self.instances[name]
                if name in ("Generate", "GenerateCoT"):
                    made = await run(problem=problem, entry_point=entry_point, instruction="")
                    current = made.get("response", "")
                elif name == "MultiGenerateCoT":
                    made = await run(problem=problem, entry_point=entry_point, instruction="")
                    current = made["response"][0]["response"]
                elif name == "SelfRefine":
                    current = (await run(problem=problem, solution=current))["response"]
                elif name == "Test":
                    made = await run(problem=problem, solution=current, entry_point=entry_point)
                    current = made["solution"]
                elif name == "ScEnsemble":
                    current = (await run(problem=problem, solutions=solutions or [current]))["response"]
                solutions.append(current)
            total += log_probs[index]
        tested = await self.test_operator(problem=problem, solution=current, entry_point=entry_point)
        logger.info(f"layers: {layers}")
        if tested["result"]:
            return tested["solution"], self.llm.cost_manager.total_cost, total
        again = await self.fallback(
            problem=problem, entry_point=entry_point, instruction=prompt_custom.IMPROVE
        )
        return again["response"], self.llm.cost_manager.total_cost, total
"""
MAAS_PROMPTS = 'IMPROVE = """Write it better."""\n'

ADAS = """def forward(self, taskInfo):
    # Several experts, then one that decides.
    instruction = "Think step by step, then solve the task."
    from collections import Counter
    agents = [LLMAgentBase(["thinking", "answer"], "Expert", role=role, temperature=0.8)
              for role in ("Teacher", "Engineer")]
    decider = LLMAgentBase(["thinking", "answer"], "Decider", temperature=0.1)
    seen = []
    for turn, agent in enumerate(agents):
        thinking, answer = agent([taskInfo], instruction, turn)
        seen.extend([thinking, answer])
    if len(Counter(info.content for info in seen)) == 0:
        return "nothing"
    thinking, answer = decider([taskInfo] + seen, "Decide on one answer.")
    return answer
"""

# As the release's generator writes it: the constructor of the template, no import of what its runner
# prepends, a parameter and an operator under the other names that they go by there.
METAFLOW = """class Workflow:
    def __init__(self, config, problem) -> None:
        self.config = config
        self.problem_text = problem
        self.llm = create(config)
        self.generate = operator.Generate(self.llm, self.problem_text)
        self.revise = operator.Revise(self.llm, self.problem_text)
        self.summarize = operator.Summarize(self.llm, self.problem_text)
        self.ensemble = operator.Ensemble(self.llm, self.problem_text)
        self.self_consistency = operator.SelfConsistency(self.llm, self.problem_text)

    async def run_workflow(self):
        ways: List[str] = ["Reply with code.", "Reply with code, in another way."]
        drafts = await asyncio.gather(*[self.generate(instruction=way, context="") for way in ways])
        best = await self.ensemble(instruction="Pick the best.", contexts_list=drafts)
        if len(self.problem_text) > 10_000:
            best = await self.revise(instruction="Shorten it.", context=best)
        best = await self.self_consistency(instruction="Reply with code.", context=best)
        return await self.summarize(instruction="Reply with the code alone.", context=best)
"""
METAFLOW_REPLY = f"""<think>
First two drafts, then a choice.
</think>

```python
{METAFLOW}```
"""
