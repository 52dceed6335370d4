"""What people would rather look at: the page with curves and the map, and TensorBoard's files."""
