"""`pipeline emulator`: the vendor's API as a separate process."""

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from support.calling import KEY, Pipeline
from support.campaigns import Project, campaign, spring
from support.checks import assert_whole
from support.processes import Running, until

Start = Callable[..., Running]
TINY = ("--size", "64x36", "--duration", "0")


@pytest.fixture
def emulator(start: Start, tmp_path: Path) -> Callable[..., tuple[Running, str]]:
    """Starts an emulator; returns its process and the URL from its first line."""

    def begin(*arguments: str | Path, **more: str) -> tuple[Running, str]:
        running = start("emulator", *TINY, "--dir", tmp_path / "work", *arguments, **more)
        line = running.first_line()
        address = next((word for word in line.split() if word.startswith("http://")), "")
        assert address, line
        return running, address

    return begin


def ledger(url: str) -> list[dict[str, object]]:
    answer = requests.get(f"{url}/_emulator/ledger", headers={"X-Api-Key": "any"}, timeout=10)
    creates = answer.json()["creates"]
    assert isinstance(creates, list)
    return creates


def test_first_line_holds_the_url(
    emulator: Callable[..., tuple[Running, str]], project: Project, pipeline: Pipeline
) -> None:
    running, url = emulator()
    assert urlsplit(url).hostname == "127.0.0.1"
    assert requests.get(f"{url}/health", timeout=10).status_code == 200
    pipeline.set("VIMMERSE_BASE_URL", url)

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(ledger(url)) == 2
    assert_whole(project)
    running.signal(signal.SIGINT)
    assert running.ended().code in (0, 130)


def test_client_from_the_vendor_documentation_gets_its_video(
    emulator: Callable[..., tuple[Running, str]],
) -> None:
    """A urlencoded form, then polls until the workflow ends, then the file, without the key."""
    _, url = emulator("--key", "a-key")
    headers = {"X-Api-Key": "a-key"}
    form = {
        "title": "Sneakers",
        "template_id": "overlay_gray_5443",
        "options": '{"background_urls": "https://cdn.example.com/beach.mp4", "motion_type": "Auto"}',
        "image_urls": "https://cdn.example.com/sneaker.png",
    }
    created = requests.post(f"{url}/workflow", data=form, headers=headers, timeout=10)
    assert created.status_code == 200, created.text
    identity = created.json()["data"]["id"]

    def ask() -> dict[str, object]:
        answer = requests.get(f"{url}/workflow/{identity}", headers=headers, timeout=10).json()["data"]
        assert isinstance(answer, dict)
        return answer

    until(lambda: ask()["processing_status"] in ("success", "fail"), "the workflow's end")
    workflow = ask()
    assert workflow["processing_status"] == "success"
    result = workflow["result"]
    assert isinstance(result, list)
    assert result[0]["content_type"] == "video/mp4"
    assert requests.get(result[0]["url"], timeout=10).content[4:8] == b"ftyp"
    assert (
        requests.get(f"{url}/workflow/{identity}", headers={"X-Api-Key": "b"}, timeout=10).status_code == 401
    )


def test_restart_during_a_run_keeps_its_workflows(
    emulator: Callable[..., tuple[Running, str]], start: Start, folder: Path
) -> None:
    project = campaign(folder, {"campaign.yaml": spring()})
    first, url = emulator("--duration", "2")
    run = start("run", project.manifest, url=url)
    run.hear("bought as")
    run.hear("bought as")
    first.kill()

    # Same folder and address: the purchases are still there, and the client continues to poll.
    _, again = emulator("--port", str(urlsplit(url).port))
    ended = run.ended()

    assert again == url
    assert ended.code == 0, ended.output
    assert len(ledger(url)) == 2
    assert_whole(project)


def test_every_prompt_and_take_has_a_different_video(
    emulator: Callable[..., tuple[Running, str]], folder: Path, pipeline: Pipeline
) -> None:
    jobs = [{"id": "main", "repeat": 2}]
    project = campaign(folder, {"campaign.yaml": spring(jobs=jobs)})
    _, url = emulator()
    pipeline.set("VIMMERSE_BASE_URL", url)

    assert pipeline("run", project.manifest).code == 0
    assert pipeline("run", project.manifest, "--replace", "main/loop/red/walk#2").code == 0

    videos = {path.read_bytes() for path in (folder / "output" / "spring").rglob("*.mp4")}
    assert len(videos) == 5
    takes = {str(entry["title"]).split()[1]: entry["take"] for entry in ledger(url)[:4]}
    assert takes == {
        "main/loop/red/dance": 1,
        "main/loop/red/dance#2": 2,
        "main/loop/red/walk": 1,
        "main/loop/red/walk#2": 2,
    }
    assert ledger(url)[4]["take"] == 3


@pytest.mark.parametrize("port", ["taken", "99999", "x"])
def test_unavailable_port_is_wrong_usage(start: Start, port: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = str(other.getsockname()[1]) if port == "taken" else port
        ended = start("emulator", "--port", number, "--dir", tmp_path / "work").ended()

    assert ended.code == 64, ended.output
    assert "Traceback" not in ended.output


def test_faults_are_read_from_a_file(
    emulator: Callable[..., tuple[Running, str]], project: Project, pipeline: Pipeline
) -> None:
    project.write(
        {"faults.yaml": "faults:\n  - {on: create, match: {title: walk}, do: close-after-processing}\n"}
    )
    _, url = emulator("--faults", project.folder / "faults.yaml")
    pipeline.set("VIMMERSE_BASE_URL", url)

    ended = pipeline("run", project.manifest)

    assert ended.code == 7, ended.output
    assert project.statuses() == {"main/loop/red/dance": "done", "main/loop/red/walk": "attention"}


@pytest.mark.parametrize("content", ["- {on: create, do: explode}", "- [", "faults: 3"])
def test_invalid_faults_file_is_refused_with_its_position(
    pipeline: Pipeline, folder: Path, content: str
) -> None:
    (folder / "faults.yaml").write_text(content)

    ended = pipeline("emulator", "--faults", "faults.yaml")

    assert ended.code == 3, ended.output
    assert "faults" in ended.err


@pytest.mark.parametrize("size", ["63x36", "x", "0x0", "99999x2"])
def test_impossible_size_is_wrong_usage(pipeline: Pipeline, size: str) -> None:
    assert pipeline("emulator", "--size", size).code == 64


def test_only_the_configured_key_is_accepted(
    emulator: Callable[..., tuple[Running, str]], project: Project, pipeline: Pipeline
) -> None:
    _, url = emulator(PIPELINE_KEY="another-key", PIPELINE_CREDITS="100")
    pipeline.set("VIMMERSE_BASE_URL", url)
    assert pipeline("run", project.manifest).code == 5

    pipeline.set("VIMMERSE_API_KEY", "another-key")
    ended = pipeline("run", project.manifest, "--concurrency", "1")

    assert ended.code == 4, ended.output
    assert sorted(project.statuses().values()) == ["done", "pending"]
    assert KEY not in ended.output
