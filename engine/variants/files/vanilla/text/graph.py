class Workflow:
    async def __call__(self, problem):
        if prompt_custom.STEP_BY_STEP:
            thought = await self.answer_generate(input=problem, temperature=prompt_custom.TEMPERATURE)
            return thought["answer"]
        answer = await self.custom(
            input=problem, instruction=prompt_custom.PLAIN, temperature=prompt_custom.TEMPERATURE
        )
        return answer["response"]
