"""The benchmarks: `python -m tests.bench`, started by `make bench`."""
