"""Judge whole folders: find files, open and judge them on all cores, remember, write."""
