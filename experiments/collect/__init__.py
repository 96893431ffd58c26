"""`robometer-rl collect`: episodes of graded quality from scripted experts and other behaviours.

`sweep`, `report`, `bench` and `examples` may import this folder; it imports `episodes` and `common`.
"""
