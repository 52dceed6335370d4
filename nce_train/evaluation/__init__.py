"""How good are the vectors: analogy sets and similarity sets.

`Embeddings` and a set's file go in; counts, accuracies, correlations and coverages come out as a dict.
"""
