PLAIN = (
    "Solve the following problem. Give the result inside \\boxed{}."
    if KIND == "math"
    else "Reply with the answer to the following alone, as short as it can be, without a sentence around it."
)
