"""Words with vectors: look-up, neighbours, analogies, post-processing; `formats` reads and writes the files.

`Embeddings` is made from a file, a model directory, or words and vectors in memory, and can be written in any format.
"""

from nce_train.embeddings.embeddings import Embeddings

__all__ = ["Embeddings"]
