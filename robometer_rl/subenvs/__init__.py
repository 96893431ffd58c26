"""What runs inside sub-environments and worker processes: frames through shared memory, facts of a step.

`wrappers` imports this folder; it imports `scoring` and `frames`.
"""
