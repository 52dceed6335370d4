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
    """Return the source of plotly.js, from the extra `report`."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise InputError("a report needs plotly: pip install 'nce-train[report]'") from None
    return get_plotlyjs()


def render_page(title: str, content: Mapping[str, Any], plotly: str) -> bytes:
    """Assemble the page, HTML in UTF-8, from what `page_content` and `plotly_source` return."""
    script = "\n".join(['"use strict";', *map(_part, _SCRIPTS)])
    policy = (  # eval: plotly.js compiles the drawing of its WebGL points at run time
        f"default-src 'none'; script-src {_hash(plotly)} {_hash(script)} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    json_text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    page = Template(_part("page.html")).substitute(
        policy=policy,
        title=html.escape(title),
        style=_part("page.css"),
        content=json_text.replace("<", "\\u003c"),  # thus it cannot end its script element or open a comment
        plotly=plotly,
        script=script,
    )
    # Lone surrogates, from words that are not UTF-8, become replacement characters.
    return page.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _part(name: str) -> str:
    return (resources.files("nce_train.report") / "page" / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
