"""The jobs of a run as a JUnit report, which every CI shows."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

from pipeline.errors import printable
from pipeline.jobs import JobKey
from pipeline.purchases import Status
from pipeline.results.standing import ELSEWHERE, Standing

_KINDS = {
    Status.FAILED.value: "failure",
    Status.ATTENTION.value: "error",
    Status.SUBMITTING.value: "error",
}


def _kind(stand: Standing) -> str:
    if stand.status == Status.DONE.value:
        return ""
    return "skipped" if stand.reason == ELSEWHERE else _KINDS.get(stand.status, "skipped")


def as_junit(campaign: str, stands: Mapping[JobKey, Standing]) -> bytes:
    """One test case for each job: passed when done, failed when failed, an error when unknown, else skipped."""
    statuses = [stand.status for stand in stands.values()]
    suite = Element(
        "testsuite",
        name=printable(campaign),
        tests=str(len(statuses)),
        failures=str(statuses.count(Status.FAILED.value)),
        errors=str(sum(_kind(stand) == "error" for stand in stands.values())),
        skipped=str(sum(_kind(stand) == "skipped" for stand in stands.values())),
    )
    for key, stand in stands.items():
        case = SubElement(suite, "testcase", name=printable(key, 2000), classname=printable(campaign))
        if stand.status != Status.DONE.value:
            error = stand.purchase.error if stand.purchase is not None else None
            kind = _kind(stand)
            SubElement(case, kind, message=printable(f"{stand.status}: {error}" if error else stand.status))
    root = Element("testsuites")
    root.append(suite)
    body: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'.encode()
