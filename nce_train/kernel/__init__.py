"""The engine: from a range of ids to changed parameters. Arrays and compiled functions; see `docs/kernel.md`."""
