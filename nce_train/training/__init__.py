"""From ids to parameters: settings, noise tables, the compiled kernel, the trainer, the model directory."""
