class Workflow:
    async def __call__(self, problem, entry_point):
        solution = await self.custom_code_generate(
            problem=problem, entry_point=entry_point, temperature=prompt_custom.TEMPERATURE
        )
        return solution["response"]
