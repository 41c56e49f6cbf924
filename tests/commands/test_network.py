"""`pipeline` behind a company's proxy and with its certificates."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.calling import KEY, Pipeline
from support.campaigns import Project

from pipeline.emulator.embedded import Emulator


@dataclass
class Proxy:
    """A proxy that requires a password; it records the requested targets and headers."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    noted = Proxy()

    class Refusing(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            noted.asked.append(self.path)
            noted.headers.append(str(self.headers))
            self.send_error(407)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        noted.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield noted
        server.shutdown()


def test_proxy_that_refuses_everything_bought_nothing_and_never_saw_the_key(
    project: Project, pipeline: Pipeline, vendor: Emulator, proxy: Proxy
) -> None:
    pipeline.set("VIMMERSE_BASE_URL", "https://api.example.com")
    pipeline.set("HTTPS_PROXY", proxy.url)

    refused = pipeline("run", project.manifest, "--concurrency", "1")

    assert refused.code == 8, refused.output
    assert "at the proxy: it refused to connect (407)" in refused.output
    assert set(proxy.asked) == {"api.example.com:443"}
    assert KEY not in "".join(proxy.headers)
    assert set(project.statuses().values()) == {"pending"}
    pipeline.set("VIMMERSE_BASE_URL", vendor.url)
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


def test_missing_certificate_bundle_is_named_before_anything_is_sent(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline.set("REQUESTS_CA_BUNDLE", "/etc/gone.pem")
    pipeline.set("VIMMERSE_BASE_URL", "https://api.example.com")

    ended = pipeline("run", project.manifest)

    assert ended.code == 64, ended.output
    assert "/etc/gone.pem" in ended.err
    assert vendor.ledger.entries == ()


def test_unused_network_settings_are_ignored(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    pipeline.set("REQUESTS_CA_BUNDLE", "/etc/gone.pem")
    pipeline.set("ALL_PROXY", "socks5://proxy.example.com:1080")

    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 2
