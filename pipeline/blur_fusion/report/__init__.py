"""One self-contained HTML page on which the verdicts are reviewed."""
