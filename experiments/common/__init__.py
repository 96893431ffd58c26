"""What every study uses: files written whole, provenance of a run, marked parts of Markdown files.

Every folder of `experiments` may import this one; it imports none of them.
"""
