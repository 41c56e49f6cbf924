"""The scripts of a page share one global scope, where a second function of a name silently replaces the first."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import pipeline.serve
from pipeline.report.page import page, page_files

_DECLARED = re.compile(r"^(?:async )?(?:function\*?|class|const|let|var) +(\S+?)(?=[ (;=]|$)", re.MULTILINE)


def gallery() -> list[str]:
    return re.findall(r"<script>(.*?)</script>", page({"campaigns": []}, "spring").decode(), re.DOTALL)


def live_page() -> list[str]:
    files = page_files(Path(pipeline.serve.__file__).with_name("page"))
    names = re.findall(r'<script src="([^"]*)">', files["index.html"].decode())
    return [files[name].decode() for name in names]


@pytest.mark.parametrize("scripts_of", [gallery, live_page])
def test_no_script_of_a_page_declares_a_name_of_another(scripts_of: Callable[[], list[str]]) -> None:
    scripts = scripts_of()
    declared = Counter(name for script in scripts for name in _DECLARED.findall(script))

    assert {"app", "SORTS", "viewOf"} <= declared.keys()
    assert [name for name, times in declared.items() if times > 1] == []
    # A pattern would hide the names that it declares.
    assert [name for name in declared if not name.isidentifier()] == []
