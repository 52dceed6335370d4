"""The HTML page: content goes in; one file with template, style, scripts and plotly.js, which loads nothing, comes out.

The parts are in the directory `page`. Words, names and settings of a model reach the page as JSON only, and the scripts
insert them as text. In addition, the page's content security policy allows no other scripts and no network access.
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
    """Return the source of plotly.js.

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
    """Assemble the page.

    Parameters
    ----------
    title : str
    content : mapping
        See `nce_train.report.content.page_content`.
    plotly : str
        See `plotly_source`.

    Returns
    -------
    bytes
        HTML in UTF-8.
    """
    script = "\n".join(['"use strict";', *map(_part, _SCRIPTS)])
    policy = (  # eval: plotly.js compiles the drawing of its WebGL points at run time
        f"default-src 'none'; script-src {_hash(plotly)} {_hash(script)} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    page = Template(_part("page.html")).substitute(
        policy=policy,
        title=html.escape(title),
        style=_part("page.css"),
        content=_json(content),
        plotly=plotly,
        script=script,
    )
    # Lone surrogates, from words that are not UTF-8, become replacement characters.
    return page.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _part(name: str) -> str:
    return (resources.files("nce_train.report") / "page" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _json(content: Mapping[str, Any]) -> str:
    """JSON for a script element: without "<", it cannot end the element or open a comment."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
