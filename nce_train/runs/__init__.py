"""A run's life on disk: its record, checkpoints, resume, early stopping, signals, limits, and the model directory."""
