"""Let the model think step by step before it answers: what needs several steps of thought is got right
more often when they are written down."""


def forward(self, taskInfo):
    solver = LLMAgentBase(["thinking", "answer"], "Chain-of-Thought Solver")
    thinking, answer = solver([taskInfo], "Think step by step, then solve the task.")
    return answer
