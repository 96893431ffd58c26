"""Commands that make and measure a reward model: `fit`, `average`, `evaluate`, and what a frame's label is.

`sweep`, `report`, `bench` and `examples` may import this folder; it imports `episodes` and `common`.
"""
