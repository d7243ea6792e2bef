STOP = "DONE"
ANSWER = "Work out the answer to the following step by step. " + FORM
FEEDBACK = (
    "Below are a task and an answer to it. Say what is wrong with the answer or could be better: wrong "
    "steps, missing parts, claims without support. Be specific about what to change, but do not rewrite it. "
    "If nothing is left to improve, end with a line that says only DONE."
)
REVIEWED = "Task:\n{problem}\n\nAnswer:\n{answer}"
TURN = "\n\nAn earlier answer:\n{answer}\n\nFeedback on it:\n{feedback}"
REFINE = (
    "Below are a task, earlier answers and the feedback on each. "
    "Write an answer that takes all of the feedback into account. " + FORM
)
