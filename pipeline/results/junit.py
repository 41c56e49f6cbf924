"""The jobs of a run as a JUnit report, which every CI shows."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

from pipeline.errors import printable
from pipeline.jobs import JobKey
from pipeline.purchases import Status
from pipeline.results.job_status import ELSEWHERE, JobStatus

_KINDS = {
    Status.FAILED.value: "failure",
    Status.ATTENTION.value: "error",
    Status.SUBMITTING.value: "error",
}


def _kind(job: JobStatus) -> str:
    if job.status == Status.DONE.value:
        return ""
    return "skipped" if job.reason == ELSEWHERE else _KINDS.get(job.status, "skipped")


def as_junit(campaign: str, statuses: Mapping[JobKey, JobStatus]) -> bytes:
    """One test case for each job: passed when done, failed when failed, an error when unknown, else skipped."""
    words = [each.status for each in statuses.values()]
    suite = Element(
        "testsuite",
        name=printable(campaign),
        tests=str(len(words)),
        failures=str(words.count(Status.FAILED.value)),
        errors=str(sum(_kind(job) == "error" for job in statuses.values())),
        skipped=str(sum(_kind(job) == "skipped" for job in statuses.values())),
    )
    for key, job in statuses.items():
        case = SubElement(suite, "testcase", name=printable(key, 2000), classname=printable(campaign))
        if job.status != Status.DONE.value:
            error = job.purchase.error if job.purchase is not None else None
            kind = _kind(job)
            SubElement(case, kind, message=printable(f"{job.status}: {error}" if error else job.status))
    root = Element("testsuites")
    root.append(suite)
    body: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'.encode()
