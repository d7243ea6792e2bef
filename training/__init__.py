"""Training turns stored runs into better meta-agents."""
