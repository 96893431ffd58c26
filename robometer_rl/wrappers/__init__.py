"""`RobometerReward`, `RobometerVectorReward`, `VecRobometerReward`, and the replay buffers for SB3.

They own `step` and `reset` and hand each step to the pipeline in `scoring`; `subenvs` brings the frames.
Users import them from `robometer_rl`; `experiments` may import them, the other folders of the plugin may not.
"""
