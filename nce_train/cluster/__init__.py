"""Counting, encoding and rounds of training on the workers of a Dask cluster.

`cluster.connect` gives a `Cluster`. `nce_train.runs.run` has it read the corpus and train instead of this process,
the coordinator, which keeps the parameters, the checkpoints and the model. A worker keeps the ids of the shards that it
owns, and a copy of the parameters. The result has the same bytes as that of `--deterministic`.
"""
