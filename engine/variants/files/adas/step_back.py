"""A problem is easier to solve from the principles behind it: name those first, then solve it with them."""


def forward(self, taskInfo):
    theorist = LLMAgentBase(["thinking", "principle"], "Principle Finder")
    solver = LLMAgentBase(["thinking", "answer"], "Solver")
    ask = (
        "Which principles, definitions or methods does this task rest on? Explain them; do not solve it yet."
    )
    thinking, principle = theorist([taskInfo], ask)
    solve = "Use the principles given to think step by step, then solve the task."
    thinking, answer = solver([taskInfo, thinking, principle], solve)
    return answer
