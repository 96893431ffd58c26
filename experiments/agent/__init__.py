"""`robometer-rl train`: one agent trained on one reward, judged by true success, resumable.

`sweep`, `report`, `bench` and `examples` may import this folder; it imports `episodes` and `common`.
"""
