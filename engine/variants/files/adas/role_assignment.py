"""A task is solved best by who knows its field: ask which expert it needs, then let that expert solve it."""


def forward(self, taskInfo):
    experts = ["specialist in the field of the task", "teacher who explains every step", "programmer"]
    chooser = LLMAgentBase(["choice"], "Role Chooser")
    listed = "; ".join(f"{number}: {role}" for number, role in enumerate(experts))
    (choice,) = chooser([taskInfo], f"Who should solve this task? Give only the number. {listed}")
    digits = [c for c in str(choice.content) if c.isdigit()]
    role = experts[int(digits[0]) % len(experts)] if digits else experts[0]
    solver = LLMAgentBase(["thinking", "answer"], "Expert", role=role)
    thinking, answer = solver([taskInfo], "Think step by step, then solve the task.")
    return answer
