"""Different people notice different mistakes: let three of them answer, read each other and answer again,
and let one more decide."""


def forward(self, taskInfo):
    roles = ["careful theorist", "quick practitioner", "sceptical reviewer"]
    debaters = [LLMAgentBase(["thinking", "answer"], "Debater", role=role, temperature=0.8) for role in roles]
    judge = LLMAgentBase(["thinking", "answer"], "Judge", temperature=0.1)
    alone = "Think step by step, then solve the task."
    together = "Read what the others think and answer, take what convinces you, and solve the task again."
    last = []
    for number in range(2):
        said = []
        for debater in debaters:
            said += debater([taskInfo] + last, together if last else alone, number)
        last = said
    thinking, answer = judge([taskInfo] + last, "Weigh these thoughts and answers and give the final answer.")
    return answer
