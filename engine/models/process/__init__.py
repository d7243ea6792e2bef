"""Transformers models in processes of their own: one for each, shared by all who use it on this machine.

Loading PyTorch then stalls nobody, memory that runs out ends the model's process alone, and what is started
again, after a crash or by another command, finds the model loaded. The socket of such a process is for this
user only; what goes over it is JSON.
"""

from engine.models.process.model import ProcessModel

__all__ = ["ProcessModel"]
