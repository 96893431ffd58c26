"""`robometer-rl bench` and the studies of speed, memory and the experts' success rate.

Nobody but `examples` may import this folder.
"""
