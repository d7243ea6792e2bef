class Workflow:
    async def __call__(self, problem):
        solution = await self.custom(input=problem, instruction="")
        return solution["response"]
