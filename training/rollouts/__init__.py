"""Rollouts: runs of a variant whose meta-agent is the model in training, their rewards and advantages."""
