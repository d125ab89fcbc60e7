"""Methods whose parts are learned or generated: optimizers, losses, and a task's parameters."""
