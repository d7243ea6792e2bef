"""The playground: a step's prompt is edited and sent to several models, which makes a grid of real calls."""
