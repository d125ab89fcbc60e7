"""Learning to meta-learn: a task is a family of tasks, and an adaptation a whole meta-training."""
