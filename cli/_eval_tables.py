"""The tables of nce-eval: of one model, and of several side by side."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nce_train.names import readable

# A row: its label and its cells.
Row = tuple[str, list[str]]

_COMPOSED = "unknown words composed"

_MEASURES: list[tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = [
    ("3CosAdd", lambda result: result),
    ("3CosMul", lambda result: result["cosmul"]),
]


def format_report(report: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of all tables of a report of `nce_train.evaluate`."""
    models = [report, *report.get("comparison", [])]
    if len(models) == 1:
        yield _model_line(report)
        yield from _one_model(report)
    else:
        letters = _letters(models)
        for letter, model in zip(letters, models, strict=True):
            yield f"{letter}  {_model_line(model)}"
        yield from _side_by_side(models, letters)
        for letter, model in zip(letters[1:], models[1:], strict=True):
            yield from _paired(model["paired"], letter, _level(report))
    if "bootstrap" in report:
        yield ""
        if report.get("fold_case"):
            yield "words compared in any case, as gensim does by default"
        yield _intervals_note(report["bootstrap"], len(models) > 1)


def _one_model(report: dict[str, Any]) -> Iterator[str]:
    level = _level(report)
    for name, result in report.get("analogies", {}).items():
        rows: list[Row] = [
            (f"  {readable(section) or '(no section)'}", _cells(part)) for section, part in result["sections"].items()
        ]
        rows += [("  all", _cells(result)), (f"    {level} interval", ["", "", "", *_intervals(result)])]
        whole = result["whole_vocabulary"]
        if whole["words"] != result["words"]:
            rows.append((f"  all, among {whole['words']:,} words", _cells(whole)))
            rows.append((f"    {level} interval", ["", "", "", *_intervals(whole)]))
        if "oov" in result:
            rows.append((f"  all, {_COMPOSED}", _cells(result["oov"])))
            rows.append((f"    {level} interval", ["", "", "", *_intervals(result["oov"])]))
        yield ""
        yield f"{name}: analogies among {result['words']:,} words"
        yield from _aligned([("", ["asked", "questions", "coverage", "3CosAdd", "3CosMul"]), *rows])
    if "similarity" in report:
        rows = [("similarity", ["Spearman", f"{level} interval", "pairs", "of", "coverage"])]
        for name, result in report["similarity"].items():
            for label, (part,) in _vocabularies(f"  {name}", [result], "restricted_vocabulary"):
                counts = [f"{part['pairs']:,}", f"{part['of']:,}", _percent(part["coverage"])]
                rows.append((label, [_number(part["spearman"]), _span(part["interval"], _number), *counts]))
        yield ""
        yield from _aligned(rows)
    if "heldout" in report:
        yield ""
        yield "held-out text, mean per example"
        yield from _aligned(_heldout([report]))


def _cells(part: dict[str, Any]) -> list[str]:
    counts = [f"{part['asked']:,}", f"{part['questions']:,}", _percent(part["coverage"])]
    return counts + [_percent(select(part)["accuracy"]) for _, select in _MEASURES]


def _intervals(part: dict[str, Any]) -> list[str]:
    return [_span(select(part)["interval"], _percent_without_sign) for _, select in _MEASURES]


def _side_by_side(models: Sequence[dict[str, Any]], letters: list[str]) -> Iterator[str]:
    level = _level(models[0])
    for name, result in models[0].get("analogies", {}).items():
        results = [model["analogies"][name] for model in models]
        rows: list[Row] = [("", letters)]
        for section in result["sections"]:
            accuracies = [_percent(one["sections"][section]["accuracy"]) for one in results]
            rows.append((f"  {readable(section) or '(no section)'}", accuracies))
        rows += _summary(results, level)
        wholes = [one["whole_vocabulary"] for one in results]
        if any(whole["words"] != one["words"] for whole, one in zip(wholes, results, strict=True)):
            rows += _summary(wholes, level)
        if "oov" in result:
            rows += _summary([one["oov"] for one in results], level, f", {_COMPOSED}")
        yield ""
        yield f"{name}: {result['questions']:,} analogies, sections by 3CosAdd among the most frequent words"
        yield from _aligned(rows)
    if "similarity" in models[0]:
        rows = [("similarity, Spearman", letters)]
        for name in models[0]["similarity"]:
            results = [model["similarity"][name] for model in models]
            for label, parts in _vocabularies(f"  {name}", results, "restricted_vocabulary"):
                rows.append((label, [_number(part["spearman"]) for part in parts]))
                rows.append((f"    {level} interval", [_span(part["interval"], _number) for part in parts]))
                rows.append((f"    pairs of {parts[0]['of']:,}", [f"{part['pairs']:,}" for part in parts]))
        yield ""
        yield from _aligned(rows)
    if "heldout" in models[0]:
        yield ""
        yield from _aligned([("held-out text, mean per example", letters), *_heldout(models)])


def _summary(results: Sequence[dict[str, Any]], level: str, which: str = "") -> Iterator[Row]:
    yield f"  all{which}, among words", [f"{result['words']:,}" for result in results]
    yield "    asked", [f"{result['asked']:,}" for result in results]
    yield "    coverage", [_percent(result["coverage"]) for result in results]
    for measure, select in _MEASURES:
        yield f"    {measure}", [_percent(select(result)["accuracy"]) for result in results]
        yield (
            f"      {level} interval",
            [_span(select(result)["interval"], _percent_without_sign) for result in results],
        )


def _paired(paired: dict[str, Any], letter: str, level: str) -> Iterator[str]:
    heads = ["asked", "A", letter, f"A - {letter}", f"{level} interval", "p"]
    rows: list[Row] = [(f"A against {letter}, shared items", heads)]
    for name, result in paired.get("analogies", {}).items():
        for label, (part,) in _vocabularies(f"  {name}", [result], "whole_vocabulary"):
            rows.append((label, [f"{part['asked']:,}"]))
            for measure, select in _MEASURES:
                rows.append((f"    {measure}", ["", *_difference(select(part), "accuracy", _percent, _signed_percent)]))
    for name, result in paired.get("similarity", {}).items():
        for label, (part,) in _vocabularies(f"  {name}", [result], "restricted_vocabulary"):
            rows.append((label, [f"{part['pairs']:,}", *_difference(part, "spearman", _number, _signed)]))
    if len(rows) > 1:
        yield ""
        yield from _aligned(rows)


def _difference(
    part: dict[str, Any], figure: str, form: Callable[[float | None], str], signed: Callable[[float | None], str]
) -> list[str]:
    p = part["p"]
    return [
        *map(form, part[figure]),
        signed(part["difference"]),
        _span(part["interval"], signed, " to "),
        "–" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}",
    ]


def _vocabularies(name: str, results: Sequence[dict[str, Any]], other: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield a set's results, those for the other vocabulary where its size differs, and those with unknown words."""
    yield name, list(results)
    others = [result[other] for result in results]
    if any(part["words"] != result["words"] for part, result in zip(others, results, strict=True)):
        most = max(words for part in others for words in _words(part))
        yield name + (", all words" if other == "whole_vocabulary" else f", first {most:,} words"), others
    if "oov" in results[0]:
        yield f"{name}, {_COMPOSED}", [result["oov"] for result in results]


def _words(part: dict[str, Any]) -> list[int]:
    return part["words"] if isinstance(part["words"], list) else [part["words"]]


def _heldout(models: Sequence[dict[str, Any]]) -> list[Row]:
    return [
        (
            f"  {key}",
            [f"{model['heldout'][key]:,}" if key == "pairs" else f"{model['heldout'][key]:.4f}" for model in models],
        )
        for key in models[0]["heldout"]
    ]


def _intervals_note(bootstrap: dict[str, Any], compared: bool) -> str:
    intervals = (
        f"{bootstrap['level']:.0%} intervals from {bootstrap['resamples']:,} resamples of the questions or pairs "
        f"(seed {bootstrap['seed']})"
    )
    return f"{intervals}; p from McNemar's exact test and the paired bootstrap" if compared else intervals


def _model_line(report: dict[str, Any]) -> str:
    return f"{report['model']}: {report['vocabulary']:,} words, dim {report['dim']}"


def _letters(models: Sequence[object]) -> list[str]:
    return [chr(ord("A") + number) if number < 26 else f"M{number + 1}" for number in range(len(models))]


def _level(report: dict[str, Any]) -> str:
    return f"{report['bootstrap']['level']:.0%}" if "bootstrap" in report else ""


def _aligned(rows: Sequence[Row]) -> Iterator[str]:
    """Align labels to the left and cells to the right."""
    label_width = max(len(label) for label, _ in rows)
    columns = max(len(cells) for _, cells in rows)
    widths = [max(len(cells[n]) for _, cells in rows if n < len(cells)) for n in range(columns)]
    for label, cells in rows:
        line = label.ljust(label_width) + "".join(f"  {cell:>{w}}" for cell, w in zip(cells, widths, strict=False))
        yield line.rstrip()


def _span(interval: Sequence[float] | None, form: Callable[[float | None], str], between: str = "–") -> str:
    return "–" if interval is None else between.join(map(form, interval))


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:.1%}"


def _percent_without_sign(fraction: float | None) -> str:
    return _percent(fraction).rstrip("%")


def _signed_percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:+.1f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"
