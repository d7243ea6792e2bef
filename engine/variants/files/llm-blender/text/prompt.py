ANSWER = "Work out the answer to the following step by step. " + FORM
PAIR = "Task:\n{problem}\n\nA:\n{a}\n\nB:\n{b}"
COMPARE = (
    "Below are a task and two answers to it, A and B. Decide which is the better answer. "
    "Reply with <better>A</better> or <better>B</better>."
)
RANKED = "\n\nA candidate:\n{candidate}"
FUSE = (
    "Below are a task and candidate answers to it, the most promising first. "
    "Write one answer that joins what each of them gets right. " + FORM
)
