"""The command `blur`: parses and prints, nothing else."""
