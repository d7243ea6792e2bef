OTHER = "\n\nThe solution of another programmer:\n{solution}"
DEBATE = "{problem}\n\nYour solution so far:\n{own}{others}"
RECONSIDER = (
    "Other programmers have solved the same problem. Compare their solutions with yours, case by case: "
    "take over what they do better and keep what you do better. Write your solution anew."
)
