"""Speed and accuracy, measured by commands that anybody can run: `python -m benchmarks.forward` and so on.

Machines are noisy, so most bounds on speed are ratios within one run; those that people wait for are seconds, on two
quiet cores. A command exits with 1 when a bound is broken; `losses`, `normalisation` and `schedules` compare alone.
"""
