"""Benchmarks: each against a baseline of the same run, a table on standard output, numbers in `var/bench/`."""
