"""Side-by-side measurements of msanic-core and its peers; `python -m benchmarks`."""
