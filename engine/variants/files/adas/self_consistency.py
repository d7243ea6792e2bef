"""One train of thought can go astray, several rarely to the same place: sample five and take the answer
that is given most often."""


def forward(self, taskInfo):
    counts, answers = Counter(), {}
    for number in range(5):
        solver = LLMAgentBase(["thinking", "answer"], "Chain-of-Thought Solver", temperature=0.8)
        thinking, answer = solver([taskInfo], "Think step by step, then solve the task.", number)
        text = str(answer.content).strip()
        counts[text] += 1
        answers.setdefault(text, answer)
    return answers[counts.most_common(1)[0][0]]
