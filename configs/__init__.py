"""Presets: YAML files of settings, named by `nce-train --config NAME`."""
