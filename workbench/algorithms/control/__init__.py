"""Methods that learn to act: a step of an adaptation is one or more moves in an environment.

`trials` has what they share: what is observed, drawn and rewarded, and the actor-critic loss.
`by_the_book` has what rules share that are written down, for bandits and for MDPs (`planning`).
"""
