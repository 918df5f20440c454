"""Inner loops in C, compiled on installation where there is a compiler.

Every caller has a fallback in numpy or OpenCV, which is slower and gives the same results.
"""
