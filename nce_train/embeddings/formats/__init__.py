"""The files that hold words with vectors: one module a format, told apart in `registry`."""
