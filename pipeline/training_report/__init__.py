"""The training report: one page of what `make repro` measured, and how to read it."""
