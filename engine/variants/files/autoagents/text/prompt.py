EXPERT = "Language Expert"
EXPERT_TEXT = "Puts the results of the others together into the answer, in the form that the task asks for."
LAST_STEP = "Put the results together into the complete answer."
NO_ADVICE = "no suggestions"

TASK = "Task:\n{problem}"
DRAFT = (
    "You put together a small team for the task below and plan its work.\n"
    "First list the roles, each as a JSON object in a ```json block: "
    '{"name": ..., "description": what it is good at, "prompt": how it should work}. '
    "One role is the Language Expert, who puts the results together at the end.\n"
    "Then write the plan as numbered lines, each with the names of the roles that do it, a colon and what to "
    "do, such as `1. Tester, Analyst: find the special cases`. The last line is the Language Expert's."
)
DRAFTED_ROLES = "Task:\n{problem}\n\nRoles:\n{roles}"
CHECK_ROLES = (
    "Below are a task and the roles of a team for it. Say which roles are missing, needless or unclear. "
    "If the team is right, reply with No Suggestions."
)
DRAFTED_PLAN = "Task:\n{problem}\n\nRoles:\n{roles}\n\nPlan:\n{steps}"
CHECK_PLAN = (
    "Below are a task, a team for it and the plan of its work. Say which steps are missing, needless, "
    "unclear or with the wrong role. If the plan is right, reply with No Suggestions."
)
ADVICE = (
    "\n\nYour last draft.\nRoles:\n{roles}\nPlan:\n{steps}\n\n"
    "Advice on its roles:\n{about_roles}\n\nAdvice on its plan:\n{about_plan}"
)

ROLE = "You are the {name} of a team. {text}\n"
RESULT = "\n\nResult of step {number} by the {name}:\n{output}"
NOTE = "\n\nYour turn {turn}:\n{reply}"
STATE = "Task:\n{problem}{results}\n\nYour step now: {task}{notes}"
WORK = (
    "Work on your step. When it is done, write `Final Output:` and after it the complete result of your "
    "step. Where that is the answer to the task: " + FORM
)
CONCLUDE = (
    "This is your last turn: put what you have together. Write `Final Output:` and after it the complete "
    "result of your step. Where that is the answer to the task: " + FORM
)
