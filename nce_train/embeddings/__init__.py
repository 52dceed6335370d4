"""Words with vectors: look up, neighbours, analogies, post-processing; one module a file format.

A file or model directory comes in, `Embeddings` goes out, and any format can be written from it.
"""

from nce_train.embeddings.embeddings import Embeddings

__all__ = ["Embeddings"]
