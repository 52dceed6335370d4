"""From bytes to ids: open the sources, count and sort the vocabulary, encode to a memory-mapped token file.

Start with `corpus.encode_corpus`. It lists `sources`, reads them as `blocks`, counts their words into a `token_file`,
and returns a `vocabulary.Vocabulary` with the stream of ids.
"""
