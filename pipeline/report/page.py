"""Assembles the page: HTML with inline style, scripts and data, under a content security policy with their hashes.

Nothing is loaded from elsewhere, and no string in a manifest can run as code: data is not a script, and only scripts
with these hashes run. The files in `page/` remain separate, so that a server can serve them one by one.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.json_values import Json

_FOLDER = Path(__file__).with_name("page")
_STYLE = re.compile(r'<link rel="stylesheet" href="([a-z.-]+)" />')
_SCRIPT = re.compile(r'<script src="([a-z.-]+)"></script>')
_SERVED = {".html", ".css", ".js"}
_TITLE = re.compile(r"<title>[^<]*</title>")


def page(
    data: Mapping[str, Json],
    title: str,
    stills: Mapping[str, bytes] | None = None,
    media_from: Sequence[str] = (),
) -> bytes:
    """The whole page that shows `data`. `stills` (WebP, by the short hash of their files) are embedded, if given.

    `media_from` are the origins from which media may be loaded, besides the page's own.
    """
    text = (_FOLDER / "index.html").read_text(encoding="utf-8")
    hashes: dict[str, list[str]] = {"style": [], "script": []}

    def put_in(found: re.Match[str], element: str) -> str:
        content = (_FOLDER / found[1]).read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        hashes[element].append(f"'sha256-{digest}'")
        return f"<{element}>{content}</{element}>"

    text = _STYLE.sub(lambda found: put_in(found, "style"), text)
    blocks = [f'<script type="text/plain" id="data">{_deflated(data)}</script>']
    if stills is not None:
        blocks.append(f'<script type="application/json" id="stills">{_stills(stills)}</script>')
    whole = _SCRIPT.sub(lambda found: put_in(found, "script"), text)
    first = whole.index("<script>")
    whole = f"{whole[:first]}{''.join(blocks)}\n    {whole[first:]}"
    whole = _TITLE.sub(lambda _: f"<title>{html.escape(title)}</title>", whole, count=1)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_policy(hashes, media_from)}" />'
    return whole.replace('<meta charset="utf-8" />', f'<meta charset="utf-8" />\n    {policy}', 1).encode()


def page_files(other: Path) -> dict[str, bytes]:
    """The files of the page by name, for a server; files in the folder `other` replace those of the same name.

    Scripts that only `other` has are loaded before the last script, which starts the page; its styles come last.
    """
    own = {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix in _SERVED}
    more = {path.name: path.read_bytes() for path in sorted(other.iterdir()) if path.suffix in _SERVED}
    scripts = "".join(f'<script src="{name}"></script>' for name in more if name not in own and ".js" in name)
    styles = "".join(f'<link rel="stylesheet" href="{name}" />' for name in more if name.endswith(".css"))
    text = own["index.html"].decode()
    last = text.rindex("<script ")
    text = text[:last] + scripts + text[last:]
    text = text.replace("</head>", f"{styles}</head>", 1)
    return {**own, **more, "index.html": text.encode()}


def _deflated(data: Mapping[str, Json]) -> str:
    """The data, compressed, as base64: jobs of a campaign are similar, so it shrinks to a tenth."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate may come from a vendor's JSON; UTF-8 cannot encode it, so it becomes a question mark.
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode()


def _stills(stills: Mapping[str, bytes]) -> str:
    urls = {
        name: f"data:image/webp;base64,{base64.b64encode(content).decode()}"
        for name, content in stills.items()
    }
    return json.dumps(urls, separators=(",", ":"))


def _policy(hashes: Mapping[str, list[str]], media_from: Sequence[str]) -> str:
    """The page's content security policy: its own style and scripts, and media that are beside it or embedded.

    `file:` is for browsers that treat each file on disk as an origin of its own.
    """
    origins = "".join(f" {html.escape(each)}" for each in media_from)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(hashes['script'])}",
            f"style-src {' '.join(hashes['style'])}",
            f"img-src 'self' file: data:{origins}",
            f"media-src 'self' file:{origins}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
