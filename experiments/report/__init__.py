"""`robometer-rl report`: runs in, statistics with intervals, figures, videos and one HTML page out.

Nobody but `examples` may import this folder.
"""
