"""From your own environment to its reward model: check it, adapt the model, find how agents cheat it.

May import `agent`, `collect`, `reward_model`, `episodes` and `common`; nothing in `experiments` imports it.
"""
