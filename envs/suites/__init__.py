"""Adapters that make Meta-World and robosuite clean Gymnasium environments.

`experts` imports this folder; it imports `rendering` and the modules of `envs` itself.
"""
