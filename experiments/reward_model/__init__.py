"""Commands that make and measure a reward model: `fit`, `average`, `calibrate`, `evaluate`; and labels.

`sweep`, `report`, `bench` and `examples` may import this folder; it imports `episodes` and `common`.
"""
