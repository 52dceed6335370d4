"""Counting, encoding and rounds of training on the workers of a Dask cluster."""
