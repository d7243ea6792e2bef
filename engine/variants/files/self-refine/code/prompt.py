STOP = "DONE"
FEEDBACK = (
    "Below are a programming problem and a solution. Say what is wrong with the solution or could be better: "
    "cases it gets wrong, requirements it misses, needless work. Be specific about what to change, but do "
    "not rewrite it. If nothing is left to improve, end with a line that says only DONE."
)
REVIEWED = "Problem:\n{problem}\n\nSolution:\n{solution}"
TURN = "\n\nAn earlier solution:\n{solution}\n\nFeedback on it:\n{feedback}"
REFINE = (
    "Below are a programming problem, earlier solutions and the feedback on each. "
    "Write a solution that takes all of the feedback into account."
)
