"""The one implementation of the reward: options, shaping, the state of episodes, model streams, the pipeline.

`wrappers` and `subenvs` import this folder; it imports `frames` and the protocol of `robometer_rl.rewards`.
"""
