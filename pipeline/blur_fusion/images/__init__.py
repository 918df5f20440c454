"""From files and arrays to working images."""
