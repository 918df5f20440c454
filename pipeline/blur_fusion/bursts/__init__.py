"""Photos of one scene in quick succession: which belong together, and which is sharpest."""
