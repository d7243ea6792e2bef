PAIR = "Problem:\n{problem}\n\nA:\n{a}\n\nB:\n{b}"
COMPARE = (
    "Below are a programming problem and two solutions, A and B. Decide which is more likely to be right on "
    "every input that the problem allows. Reply with <better>A</better> or <better>B</better>."
)
RANKED = "\n\nA candidate:\n{candidate}"
FUSE = (
    "Below are a programming problem and candidate solutions, the most promising first. "
    "Write one solution that joins what each of them gets right."
)
