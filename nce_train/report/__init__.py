"""A model to look at: one HTML page with curves and a map of words, pictures, and files for TensorBoard."""
