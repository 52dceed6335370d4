"""gensim 4's names over nce-train, without gensim: `from nce_train.gensim import Word2Vec`.

`Word2Vec` and `FastText` train with the engine of nce-train and gensim's keywords; `KeyedVectors`, `Phrases` and the
readers of sentences have gensim's methods. docs/gensim.md says name by name what is the same and what differs. Nothing
here imports the package gensim.
"""

from nce_train.gensim.callbacks import CallbackAny2Vec
from nce_train.gensim.fasttext import (
    FastText,
    FastTextKeyedVectors,
    load_facebook_model,
    load_facebook_vectors,
    save_facebook_model,
)
from nce_train.gensim.keyed_vectors import KeyedVectors
from nce_train.gensim.phrases import ENGLISH_CONNECTOR_WORDS, FrozenPhrases, Phraser, Phrases
from nce_train.gensim.sentences import LineSentence, PathLineSentences
from nce_train.gensim.vocabulary import RULE_DEFAULT, RULE_DISCARD, RULE_KEEP
from nce_train.gensim.word2vec import Word2Vec

__all__ = [
    "ENGLISH_CONNECTOR_WORDS",
    "RULE_DEFAULT",
    "RULE_DISCARD",
    "RULE_KEEP",
    "CallbackAny2Vec",
    "FastText",
    "FastTextKeyedVectors",
    "FrozenPhrases",
    "KeyedVectors",
    "LineSentence",
    "PathLineSentences",
    "Phraser",
    "Phrases",
    "Word2Vec",
    "load_facebook_model",
    "load_facebook_vectors",
    "save_facebook_model",
]
