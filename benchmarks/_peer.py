"""What the peers' modules have in common: the same options and the same report."""

import argparse
import json


def peer_parser(description: str | None) -> argparse.ArgumentParser:
    """The options that all peers take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("text")
    parser.add_argument("vectors")
    for option, default in (("dim", 128), ("window", 5), ("epochs", 5), ("threads", 2), ("negative", 5), ("seed", 1)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--subsample", type=float, default=1e-4)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--min-count", type=int, default=5)
    parser.add_argument("--model", choices=["skipgram", "cbow"], default="skipgram")
    parser.add_argument("--ngrams", type=_lengths, default=(0, 0), metavar="MIN-MAX")
    return parser


def _lengths(text: str) -> tuple[int, int]:
    """`3-6` → (3, 6); `off` → (0, 0)."""
    least, _, most = text.replace("off", "0").partition("-")
    return int(least), int(most or least)


def report(tokens_per_epoch: int, epochs: int, train_seconds: float, count_seconds: float) -> None:
    """Print what the suite reads."""
    print(
        json.dumps(
            {
                "tokens_per_second": tokens_per_epoch * epochs / train_seconds,
                "train_seconds": train_seconds,
                "compile_seconds": None,
                "tokens_per_epoch": tokens_per_epoch,
                "timings": {"vocabulary": count_seconds, "train": train_seconds},
            }
        )
    )
