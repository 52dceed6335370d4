"""The page: template, style, plotly.js, our scripts and the content in one HTML file that fetches nothing.

What comes from a model (words, names, settings) reaches the page as JSON only, and the scripts write it as text. Should
that fail one day, the page's policy still forbids any script but the ones put together here, and all of the network.
"""

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib import resources
from string import Template
from typing import Any

from nce_train.errors import InputError

_SCRIPTS = ("elements.js", "colours.js", "tables.js", "curves.js", "map.js", "start.js")


def plotly_source() -> str:
    """The source of plotly.js.

    Raises
    ------
    InputError
        When the extra `report` is missing.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise InputError("a report needs plotly: pip install 'nce-train[report]'") from None
    return get_plotlyjs()


def render_page(title: str, content: Mapping[str, Any], plotly: str) -> bytes:
    """Put the page together.

    Parameters
    ----------
    title : str
    content : mapping
        See `nce_train.report.content.content_of`.
    plotly : str
        See `plotly_source`.

    Returns
    -------
    bytes
        HTML in UTF-8.
    """
    script = "\n".join(['"use strict";', *map(_part, _SCRIPTS)])
    policy = (  # plotly.js compiles the drawing of its WebGL points at run time, which is what eval is needed for
        f"default-src 'none'; script-src {_hash(plotly)} {_hash(script)} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    page = Template(_part("page.html")).substitute(
        policy=policy,
        title=html.escape(title),
        style=_part("page.css"),
        content=_as_data(content),
        plotly=plotly,
        script=script,
    )
    # Lone surrogates, of words that are not UTF-8, are shown as what they are: characters that could not be read.
    return page.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _part(name: str) -> str:
    return (resources.files("nce_train.report") / "page" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _as_data(content: Mapping[str, Any]) -> str:
    """JSON that can stand in a script element: without "<" nothing in it ends the element or opens a comment."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
