"""Where the rooms meet, one module a verb: what a notebook calls and what the commands call."""

from nce_train.api.evaluate import evaluate
from nce_train.api.export import export
from nce_train.api.phrases import phrases
from nce_train.api.report import report
from nce_train.api.train import estimate, train, train_or_resume
from nce_train.evaluation.classifier import Model

__all__ = ["Model", "estimate", "evaluate", "export", "phrases", "report", "train", "train_or_resume"]
