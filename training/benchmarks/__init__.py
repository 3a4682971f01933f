"""Time, memory and whole ways: each file is a command of its own, ``python -m training.benchmarks.NAME``."""
