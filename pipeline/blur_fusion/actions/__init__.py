"""Act on blurred photos: move, copy, link or tag them, and undo all of it from a journal.

Nothing is imported here: what reads and writes XMP takes a tenth of a small scan to import.
"""
