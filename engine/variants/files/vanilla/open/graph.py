class Workflow:
    async def __call__(self, problem):
        answer = await self.custom(input=problem, temperature=prompt_custom.TEMPERATURE)
        return answer["response"]
