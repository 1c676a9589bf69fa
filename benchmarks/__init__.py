"""Speed and accuracy, measured by commands that anybody can run: `python -m benchmarks.forward` and so on.

Machines are noisy, so every bound on speed is a ratio within one run. A command exits with 1 when a bound is broken.
"""
