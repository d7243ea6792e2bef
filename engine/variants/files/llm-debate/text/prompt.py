ANSWER = "Work out the answer to the following step by step. " + FORM
OTHER = "\n\nThe answer of somebody else:\n{answer}"
DEBATE = "{problem}\n\nYour answer so far:\n{own}{others}"
RECONSIDER = (
    "Others have answered the same. Check their reasoning and yours, step by step: "
    "take over what they are right about and keep what you are right about. Answer anew. " + FORM
)
