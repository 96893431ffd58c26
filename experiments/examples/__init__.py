"""Small programs that show the package at work: the demo, the quickstart, the figures of the docs.

They may import every other folder; nobody imports them.
"""
