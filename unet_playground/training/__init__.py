"""Data sets, losses, metrics and the loop that trains the bank or one design."""
