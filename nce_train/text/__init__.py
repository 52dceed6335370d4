"""From bytes to ids: open the sources, count and sort the vocabulary, encode to a memory-mapped token file.

`corpus.encode_corpus` is the door; `vocabulary.Vocabulary` is what the other rooms know of words.
"""
