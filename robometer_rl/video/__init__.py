"""Videos without an environment: read, score, compare, draw, overlay.

It stands apart: `experiments` and the command line import it; it imports nothing of the wrappers.
"""
