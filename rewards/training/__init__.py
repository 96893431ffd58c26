"""Training of the compact model: word table, augmentation, sequences, sampling, losses, one step.

It imports `compact` and the protocol; `experiments.reward_model` is its user.
"""
