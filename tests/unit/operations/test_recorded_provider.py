"""The provider of recorded purchases is the one whose name fits their fingerprints."""

from dataclasses import replace

import pytest

from pipeline.errors import InvalidInput
from pipeline.jobs import Coordinates, Job, LocalFile, RemoteFile, Request, UpstreamOutput
from pipeline.operations import recorded_provider
from pipeline.operations.recorded_provider import provider_of
from pipeline.purchases import Purchase, PurchaseId, Status

PNG = LocalFile("images/red.png", "a" * 64)
REQUESTS = {
    "plain": Request("", "T1"),
    "options": Request(
        "", "T1", {"seed": 5, "style": [PNG, {"inner": PNG, "size": 1.5}], "odd": {"file": "a"}}
    ),
    "images": Request(
        "", "T1", images=(PNG, RemoteFile("https://x/a?b=c"), RemoteFile("https://x/a?sig=1", "v2"))
    ),
    "chained": Request("", "T1", images=(UpstreamOutput(Coordinates("a", "b").key, "steps"),)),
    "take of an event": Request("", "T1", event_id="e1", take=3),
}


def purchase(request: Request, provider: str, *, status: Status = Status.DONE) -> Purchase:
    job = Job(Coordinates("main", "loop", take=request.take), replace(request, provider=provider), path="a")
    return Purchase(
        id=PurchaseId("1" * 16),
        key=job.key,
        fingerprint=job.fingerprint,
        status=status,
        bought_at="2026-01-01T00:00:00.000Z",
        template_id=request.template_id,
        request=job.request_json(),
    )


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_provider, "provider_names", lambda: ["emulator", "lumen", "vimmerse"])


@pytest.mark.parametrize("provider", ["lumen", "vimmerse"])
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_provider_is_found_by_the_fingerprint(request_: Request, provider: str) -> None:
    assert provider_of([purchase(request_, provider)]) == provider


@pytest.mark.parametrize(
    ("providers", "told"),
    [
        (["other"], r"no provider that is installed here \(lumen, vimmerse\)"),
        (["emulator"], r"no provider that is installed here \(lumen, vimmerse\)"),
        (["vimmerse", "lumen"], r"several providers \(lumen, vimmerse\)"),
    ],
)
def test_provider_that_is_not_certain_is_not_asked(providers: list[str], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        provider_of(purchase(REQUESTS["plain"], each) for each in providers)


def test_record_of_a_stranger_fits_no_provider() -> None:
    odd = purchase(REQUESTS["plain"], "vimmerse")
    odd = replace(odd, request={"options": {}, "images": [7, {"url": 7, "version": []}, {"sha256": {}}]})

    for strange in (odd, replace(odd, fingerprint="v99:" + "0" * 64)):
        with pytest.raises(InvalidInput, match="nothing is asked"):
            provider_of([strange])


def test_without_purchases_it_is_the_vendor() -> None:
    assert provider_of([]) == "vimmerse"
    assert provider_of([purchase(REQUESTS["plain"], "other", status=Status.VOID)]) == "vimmerse"
