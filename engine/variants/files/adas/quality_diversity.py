"""Answers that differ are worth more to choose from than answers that are alike: ask for another way each
time, up to three more, and choose among all."""


def forward(self, taskInfo):
    solver = LLMAgentBase(["thinking", "answer"], "Solver")
    chooser = LLMAgentBase(["thinking", "answer"], "Chooser", temperature=0.1)
    known = [taskInfo]
    thinking, answer = solver(known, "Think step by step, then solve the task.", 0)
    known += [thinking, answer]
    for number in range(3):
        another = "Here are earlier attempts. Solve the task in another interesting way."
        thinking, answer = solver(known, another, number + 1)
        known += [thinking, answer]
    thinking, answer = chooser(known, "Compare the attempts, then give the final answer.")
    return answer
