"""`robometer-rl sweep`: many trainings from one file, on this machine or on a Ray cluster, resumable.

Nobody but `report`, `bench` and `examples` may import this folder.
"""
