"""What adaptation itself is made of, learned: optimizers, losses and generators of parameters."""
