"""Counting, encoding and rounds of training on the workers of a Dask cluster.

`connect` gives a `Cluster`, which `nce_train.runs.run` asks to read the corpus and to train in this process's
stead; this process, the coordinator, keeps the parameters, the checkpoints and the model. A worker keeps the ids of
the shards it trains and a copy of the parameters. The result has the bytes of `--deterministic`.
"""
