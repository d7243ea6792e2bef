class Workflow:
    async def __call__(self, problem):
        answer = await self.answer_generate(input=problem)
        return answer["answer"]
