"""The jobs of a run as a JUnit report, which every CI system can show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from pipeline.errors import printable
from pipeline.purchases import Reason, Status
from pipeline.results.job_status import ELSEWHERE, JobStatus

if TYPE_CHECKING:
    from pipeline.jobs import JobKey

_KINDS = {
    Status.FAILED.value: "failure",
    Status.ATTENTION.value: "error",
    Status.SUBMITTING.value: "error",
}


def _kind(job: JobStatus, failed_input: str | None) -> str:
    if failed_input is not None:
        return "failure"
    if job.status == Status.DONE.value:
        return ""
    return "skipped" if job.reason == ELSEWHERE else _KINDS.get(job.status, "skipped")


def as_junit(
    campaign: str,
    statuses: Mapping[JobKey, JobStatus],
    inputs: Mapping[JobKey, str] = MappingProxyType({}),
) -> bytes:
    """One test case for each job: passed when done, failed when failed, an error when unknown, else skipped.

    `inputs` has, by key, why nothing could be bought for a job; it then counts as failed, whatever served it before.
    """
    kinds = {key: _kind(job, inputs.get(key)) for key, job in statuses.items()}
    counts = Counter(kinds.values())
    suite = Element(
        "testsuite",
        name=printable(campaign),
        tests=str(len(kinds)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
    )
    for key, job in statuses.items():
        case = SubElement(suite, "testcase", name=printable(key, 2000), classname=printable(campaign))
        if key in inputs:
            SubElement(case, kinds[key], message=printable(f"{Reason.INPUT}: {inputs[key]}"))
        elif kinds[key]:
            error = job.purchase.error if job.purchase is not None else None
            SubElement(case, kinds[key], message=printable(f"{job.status}: {error}" if error else job.status))
    root = Element("testsuites")
    root.append(suite)
    body: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'.encode()
