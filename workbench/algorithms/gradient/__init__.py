"""Methods that adapt by gradient steps: MAML, Meta-SGD, ANIL and BOIL, Reptile, fine-tuning.

`learner` has what they share: fast weights, rates, and one inner step by an update rule.
"""
