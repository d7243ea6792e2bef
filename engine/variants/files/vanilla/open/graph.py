class Workflow:
    async def __call__(self, problem):
        answer = await self.custom(input=problem)
        return answer["response"]
