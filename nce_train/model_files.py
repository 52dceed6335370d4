"""The names of the files of a model directory, for the run that writes them and for all who read them."""

FORMAT = 1  # of the manifest
MANIFEST = "manifest.json"  # written last: a model without it is unfinished
INPUT = "input.npy"
OUTPUT = "output.npy"
BIAS = "bias.npy"
PARAMETERS = (INPUT, OUTPUT, BIAS)
VOCABULARY = "vocab.tsv"
CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
# Only of a model with sub-words: the rows of the n-grams, and the bucket of each row.
NGRAMS = "ngrams.npy"
NGRAM_BUCKETS = "ngram_buckets.npy"
SUBWORD_FILES = (NGRAMS, NGRAM_BUCKETS)
# Of every model.
FILES = (*PARAMETERS, VOCABULARY, CONFIG, METRICS, MANIFEST)

CHECKPOINT = "checkpoint"  # the directory beside them that an interrupted run leaves
RUN = "run.json"  # in the checkpoint
