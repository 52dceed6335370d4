"""The names of the files of a model directory, for the run that writes them and for all who read them."""

FORMAT = 1  # of the manifest
MANIFEST = "manifest.json"  # written last: a model without it is unfinished
INPUT = "input.npy"
OUTPUT = "output.npy"
BIAS = "bias.npy"
PARAMETERS = (INPUT, OUTPUT, BIAS)
NGRAMS = "ngrams.npy"  # of models with sub-words only, as the next one
NGRAM_BUCKETS = "ngram_buckets.npy"
SUBWORD_FILES = (NGRAMS, NGRAM_BUCKETS)
VOCABULARY = "vocab.tsv"
CONFIG = "config.yaml"
METRICS = "metrics.jsonl"
FILES = (*PARAMETERS, *SUBWORD_FILES, VOCABULARY, CONFIG, METRICS, MANIFEST)

CHECKPOINT = "checkpoint"  # the directory beside them that an interrupted run leaves
RUN = "run.json"  # in the checkpoint
