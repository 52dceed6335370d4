"""How good a model is: analogy sets, similarity sets, and the loss on held-out text.

`Embeddings` or a classifier (`Model`) and files go in. Accuracies, correlations, losses and comparisons come out as
dicts, with the keys of `nce-eval --json`.
"""
