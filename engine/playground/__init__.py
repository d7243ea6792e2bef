"""The playground: a step's prompt, edited and asked of several models, a grid of real calls."""
