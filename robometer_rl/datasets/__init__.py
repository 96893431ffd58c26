"""Recorded episodes and demonstrations: their file format, the recorder, and readers of other tools' layouts.

May be imported by `robometer_rl.cli` and `experiments`; imports nothing of the wrappers.
"""
