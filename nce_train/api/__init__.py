"""Joins the rooms, one module for each verb: notebooks and commands call the same functions."""

from nce_train.api.estimate import estimate
from nce_train.api.evaluate import evaluate
from nce_train.api.export import export
from nce_train.api.phrases import phrases
from nce_train.api.report import report
from nce_train.api.train import train, train_or_resume
from nce_train.api.vocabulary import count_words
from nce_train.evaluation.classifier import Model

__all__ = ["Model", "count_words", "estimate", "evaluate", "export", "phrases", "report", "train", "train_or_resume"]
