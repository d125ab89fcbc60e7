"""How a meta-gradient is had, apart from the learner: one estimator a file.

Exact         the derivative of the mean meta-loss, through every inner step as the learner made it
Truncated     the same through a window of a long adaptation, which the next outer step carries on
PPO           of a policy's clipped surrogate, in several epochs over what it did once
TrustRegion   no gradient but a step, the furthest that keeps a policy near itself
Implicit      from where the inner loop ended alone, by the implicit function theorem
Displacement  the way from theta to the adapted weights (Reptile)
Adversarial   of two sides that learn against each other, each by its own loss
Evolution     from the meta-losses of a population, without any derivative

`workbench.algorithms` has them all.
"""
