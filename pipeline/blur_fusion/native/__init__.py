"""Inner loops in C, where an installation could compile them: as numpy and OpenCV answer, but fast.

Without a compiler nothing is missing but speed: every caller has a way of its own, and its numbers
are the same, bit for bit.
"""
