"""The files that hold words with vectors: one module for each format; `registry` lists and distinguishes them."""
