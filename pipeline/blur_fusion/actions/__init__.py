"""Act on blurred photos: move, copy, link or tag them, and undo it all from a journal.

Nothing is imported here: reading and writing XMP takes a tenth of a small scan to import.
"""
