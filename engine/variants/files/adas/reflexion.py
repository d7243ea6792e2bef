"""A first attempt is seldom the best one: let a critic say what is wrong with it and try again with that in
mind, at most five times."""


def forward(self, taskInfo):
    solver = LLMAgentBase(["thinking", "answer"], "Solver")
    critic = LLMAgentBase(["feedback", "correct"], "Critic", role="strict examiner")
    first = "Think step by step, then solve the task."
    again = "Learn from the attempts so far and what was said of them, then solve the task better."
    judge = 'Look for mistakes in the last answer. In "correct", say True only where you are sure.'
    known = [taskInfo]
    thinking, answer = solver(known, first, 0)
    for number in range(5):
        feedback, correct = critic([taskInfo, thinking, answer], judge, number)
        if str(correct.content).strip().lower() == "true":
            break
        known += [thinking, answer, feedback]
        thinking, answer = solver(known, again, number + 1)
    return answer
