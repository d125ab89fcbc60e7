"""Methods that adapt by writing to a memory, and read it by attention or by distance.

`learner` has what they share: slots, reads, writes, and edits of them.
"""
