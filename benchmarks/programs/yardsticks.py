"""The yardsticks: the least that somebody could write who has no promises to keep. Run as a program, by name.

None of them imports the product. They run in the same environment, on the same libraries.
"""

import argparse
import csv
import hashlib
import itertools
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit


def calls(jobs: int, threads: int, pause: float, folder: Path) -> None:
    """Create, poll and download `jobs` workflows with a bare pool of threads: no state, no checks, no retries."""
    import requests

    url, key = os.environ["VIMMERSE_BASE_URL"], os.environ["VIMMERSE_API_KEY"]
    mine = threading.local()

    def job(number: int) -> None:
        if not hasattr(mine, "session"):
            mine.session = requests.Session()
            mine.session.headers["X-Api-Key"] = key
        session: requests.Session = mine.session
        fields = {
            "template_id": "each_explodedloop_0226",
            "title": f"bench {number}",
            "description": "",
            "visibility_status": "0",
            "options": json.dumps({"prompt": f"Runner {number} in red, spring", "aspect_ratio": "9:16"}),
            "image_urls": f"https://cdn.example.com/products/{number:06}.png",
        }
        form = {name: (None, value) for name, value in fields.items()}
        workflow = session.post(f"{url}/workflow", files=form, timeout=60).json()["data"]
        while workflow["processing_status"] != "success":
            time.sleep(pause)
            workflow = session.get(f"{url}/workflow/{workflow['id']}", timeout=60).json()["data"]
        content = session.get(workflow["result"][0]["url"], timeout=60).content
        (folder / f"{number}.mp4").write_bytes(content)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(job, range(jobs)):
            pass


def handshakes(number: int) -> None:
    """Open and close so many TLS connections, one after another, all with one context."""
    address = urlsplit(os.environ["VIMMERSE_BASE_URL"])
    host, port = address.hostname or "", address.port or 443
    context = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
    begun = time.process_time()
    for _ in range(number):
        with (
            socket.create_connection((host, port)) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            pass
    print((time.process_time() - begun) / number)


def encode(clip: Path, times: int) -> None:
    """Encode the pictures of a clip again, as small as they came: what no maker of clips can do without."""
    import av

    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        rate, size = stream.average_rate or Fraction(24), (stream.width, stream.height)
        frames = [frame.reformat(format="yuv420p") for frame in container.decode(stream)]
    begun = time.process_time()
    for _ in range(times):
        with av.open(os.devnull, "w", format="mp4") as container:
            made = container.add_stream("libx264", rate=rate)
            made.options = {"preset": "veryfast", "crf": "23", "threads": "1"}
            made.width, made.height, made.pix_fmt = *size, "yuv420p"
            for number, frame in enumerate(frames):
                frame.pts, frame.time_base = number, 1 / rate
                container.mux(made.encode(frame))
            container.mux(made.encode())
    print((time.process_time() - begun) / times)


def expand(manifest: Path) -> None:
    """Load, check, render and write the jobs of a campaign: what a user would write who has this one only."""
    import jinja2
    import yaml

    campaign = yaml.load(manifest.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for name in ("version", "name", "templates", "image_sets", "prompts", "jobs", "vars"):
        if name not in campaign:
            raise SystemExit(f"{manifest}: {name} is missing")
    [(template, wanted)], [(prompt, text)] = campaign["templates"].items(), campaign["prompts"].items()
    [rule] = campaign["jobs"]
    if campaign["vars"]["shape"] not in ("16:9", "9:16", "1:1"):
        raise SystemExit(f"{manifest}: no such aspect ratio")
    render = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text).render
    canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
    encode = json.JSONEncoder(ensure_ascii=False).encode
    name, template_id, axes = campaign["name"], wanted["template_id"], rule.get("matrix", {})
    places = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    ends = ["".join(f"/{axis}={place[axis]}" for axis in sorted(axes)) for place in places]
    seen = set()
    for row in _rows(manifest.parent / campaign["image_sets"]["products"]["csv"]):
        image, url = row["id"], row["url"]
        scope = {**campaign["vars"], "image": {"id": image, "vars": row}}
        for place, end in zip(places, ends, strict=True):
            key = f"{rule['id']}/{template}/{image}/{prompt}{end}"
            if key in seen:
                raise SystemExit(f"{manifest}: {key} occurs twice")
            seen.add(key)
            options = {"prompt": render(scope, **place), "aspect_ratio": campaign["vars"]["shape"]}
            request = {"provider": "vimmerse", "template_id": template_id, "options": options}
            request |= {"images": [{"url": url}], "event_id": None, "take": 1}
            asked = {"template_id": template_id, "options": options, "images": [{"id": image, "url": url}]}
            asked |= {"title": f"{name}: {key} (…)", "visibility": "private"}
            fingerprint = f"v1:{hashlib.sha256(canonical(request).encode()).hexdigest()}"
            job = {"key": key, "fingerprint": fingerprint, "request": asked, "path": key, "credits": 100}
            print(encode(job))


def _rows(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not row["url"].startswith("https://") or not row["id"]:
                raise SystemExit(f"{path}: a row without id or url")
            yield row


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser()
    which = parser.add_subparsers(dest="which", required=True)
    pool = which.add_parser("calls")
    pool.add_argument("jobs", type=int)
    pool.add_argument("threads", type=int)
    pool.add_argument("pause", type=float)
    pool.add_argument("folder", type=Path)
    which.add_parser("handshakes").add_argument("number", type=int)
    which.add_parser("expand").add_argument("manifest", type=Path)
    encoding = which.add_parser("encode")
    encoding.add_argument("clip", type=Path)
    encoding.add_argument("times", type=int)
    given = vars(parser.parse_args())
    yardsticks: Mapping[str, Callable[..., None]] = {
        "calls": calls,
        "handshakes": handshakes,
        "expand": expand,
        "encode": encode,
    }
    yardsticks[given.pop("which")](**given)


if __name__ == "__main__":
    main()
