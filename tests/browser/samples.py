"""Sample campaigns: results and decisions as left by a run and a review, with small real videos.

`python -m browser.samples FOLDER [JOBS]`, with `tests` on the path, writes one for manual inspection.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, product
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from support.videos import video

from pipeline.documents.yaml_reader import dump_yaml

ROOT = Path(__file__).parents[2]
NAME = "spring-drop"
RATIOS = {"hero": (16, 9), "story": (9, 16), "feed": (1, 1)}
# The shorter side of a video: for people, and for tests, which need no detail.
FINE, COARSE = 270, 54
IMAGES = ("red", "blue", "volt", "moss", "violet", "ash")
TURNS = {"red": 0, "blue": 150, "volt": 25, "moss": 75, "violet": 195, "ash": None}
SCENES = {
    "beach": ("#4b4a7d", "#c98aa0", "#5c5794"),
    "city": ("#7fc4c6", "#dff1e6", "#5d9b96"),
    "forest": ("#8f92c8", "#c9b7dd", "#7d79b4"),
    "studio": ("#5a3a68", "#d69a8c", "#4b2f58"),
}
PROMPTS = {
    "stroll": (
        "en",
        (
            "The red high-top strolls along the wet promenade at first light, laces loose, gulls lifting in front of "
            "the camera, slow dolly from left to right with the sole always in focus"
        ),
    ),
    "leap": (
        "de",
        (
            "Der Hochschaft springt über eine Pfütze im Kopfsteinpflaster; Zeitlupe, Gegenlicht, Wassertropfen "
            "halten kurz vor der Linse inne, Donaudampfschifffahrtsgesellschaft im Hintergrund"
        ),
    ),
    "walk": (
        "hi",
        "सुबह की सुनहरी रोशनी में लाल जूता गीले फुटपाथ पर धीरे-धीरे चलता है, कैमरा बाएँ से दाएँ सरकता है और पानी में परछाईं काँपती है",
    ),
    "turn": (
        "ar",
        "يدور الحذاء الأحمر ببطء على قاعدة رخامية بينما تمر ظلال أشجار النخيل فوقه، ضوء العصر الدافئ وغبار ذهبي في الهواء",  # noqa: E501
    ),
    "rain": (
        "ja",
        "雨上がりの路地を赤いハイカットがゆっくり歩く。水たまりにネオンがにじみ、カメラは靴底すれすれを右へ流れていく",
    ),
    "stack": ("en", "Three shoes stacked, the top one slides off"),
    "dusk": ("en", "Dusk, tungsten street lamps, a slow push in on the toe cap while traffic blurs behind"),
    "werk": ("de", "Werkstattlicht, Makroaufnahme der Naht"),
}
_LENGTH = 2.5
_RATE = 24


@dataclass
class Sample:
    """A campaign under construction on disk: add jobs, then write it."""

    folder: Path
    name: str = NAME
    jobs: list[dict[str, Any]] = field(default_factory=list)
    purchases: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=dict)
    videos: bool = True
    shorter_side: int = FINE

    @property
    def output(self) -> Path:
        return self.folder / "output" / self.name

    @property
    def manifest(self) -> Path:
        return self.folder / f"{self.name}.yaml"

    def purchase(self, key: str, number: int, **changes: Any) -> dict[str, Any]:
        """A purchase made under `key`; `number` makes it unique."""
        digest = hashlib.sha256(f"{self.name} {key} {number}".encode("utf-8", "replace")).hexdigest()
        minutes = number % 1440
        written = {
            "id": digest[:16],
            "key": key,
            "fingerprint": f"v1:{digest}",
            "status": "done",
            "bought_at": f"2026-11-{28 - number // 1440:02}T{minutes // 60:02}:{minutes % 60:02}:02.000Z",
            "template_id": "overlay_gray_5443",
            "workflow_id": digest[16:40],
            "credits": 120,
            **changes,
        }
        made = {name: value for name, value in written.items() if value is not None}
        self.purchases.append(made)
        return made

    def last_purchase(self, key: str) -> dict[str, Any]:
        """The last purchase made under `key`."""
        return next(each for each in reversed(self.purchases) if each["key"] == key)

    def job(
        self, coordinates: Mapping[str, Any], purchase: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        """A job of these parts, served by `purchase`."""
        served: dict[str, Any] = {}
        if purchase is not None:
            served = {
                "status": purchase["status"],
                "reason": purchase.get("reason"),
                "purchase": purchase["id"],
                "workflow_id": purchase.get("workflow_id"),
            }
            outputs = [
                {**{n: v for n, v in each.items() if n != "url"}, "path": f"output/{self.name}/{path}"}
                for each, path in zip(purchase.get("outputs", ()), self.paths(purchase), strict=True)
            ]
            served["outputs"] = outputs or None
        of_key = f"v1:{hashlib.sha256(key_of(coordinates).encode()).hexdigest()}"
        written = {
            "key": key_of(coordinates),
            "fingerprint": of_key if purchase is None else purchase["fingerprint"],
            "status": "pending",
            **served,
            **more,
        }
        self.jobs.append({name: value for name, value in written.items() if value is not None})

    @staticmethod
    def paths(purchase: Mapping[str, Any]) -> Iterator[str]:
        for number, output in enumerate(purchase.get("outputs", ())):
            suffix = {"video/mp4": "mp4", "image/png": "png"}.get(output["content_type"], "bin")
            yield f"{purchase['path']}{f'-{number + 1}' if number else ''}.{suffix}"

    def video(self, colour: str, scene: str, rule: str, seed: int = 0) -> bytes:
        """A video of this campaign."""
        return scene_video(colour, scene, rule, self.shorter_side, seed)

    def put(self, path: str, content: bytes) -> dict[str, Any]:
        """A video at `path` below the output folder, with its entry in the results."""
        target = self.output / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return {
            "content_type": "image/png" if path.endswith(".png") else "video/mp4",
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }

    def results(self) -> dict[str, Any]:
        """The results manifest."""
        statuses = [job["status"] for job in self.jobs]
        spent = sum(
            each.get("credits", 0)
            for each in self.purchases
            if each["status"] != "void" and each.get("reason") != "rejected"
        )
        return {
            "version": 1,
            "campaign": self.name,
            "manifest": self.manifest.name,
            "tool": "pipeline 0.1.0",
            "jobs": sorted(self.jobs, key=lambda each: str(each["key"])),
            "purchases": sorted(self.purchases, key=lambda each: (each["key"], each["bought_at"])),
            "summary": {
                "jobs": {each: statuses.count(each) for each in sorted(set(statuses))},
                "credits": spent,
            },
        }

    def write(self) -> Path:
        """Write manifest, results and decisions; returns the path of the manifest."""
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = {
            "version": 1,
            "name": self.name,
            "templates": {
                "overlay": {"template_id": "overlay_gray_5443", "options": {"prompt": "{{ prompt }}"}}
            },
            "image_sets": {"one": ["red.png"]},
            "prompts": {"stroll": "a stroll"},
            "limits": self.limits,
        }
        shoe("red").save(self.folder / "red.png")
        self.manifest.write_text(json.dumps(manifest), encoding="utf-8")
        results = json.dumps(self.results(), ensure_ascii=False, indent=1)
        (self.folder / f"{self.name}.results.json").write_text(results, encoding="utf-8")
        if self.decisions:
            text = dump_yaml({"version": 1, "decisions": [*self.decisions]})
            (self.folder / f"{self.name}.decisions.yaml").write_text(text, encoding="utf-8")
        return self.manifest


def key_of(coordinates: Mapping[str, Any]) -> str:
    """The key of a job with these parts."""
    names = [coordinates[name] for name in ("rule", "template", "image", "prompt") if name in coordinates]
    axes = [f"{name}={value}" for name, value in sorted(coordinates.get("axes", {}).items())]
    take = f"#{coordinates['take']}" if coordinates.get("take", 1) > 1 else ""
    return "/".join(names + axes) + take


# Videos


@cache
def shoe(colour: str) -> Image.Image:
    """The shoe of the quickstart in another colour."""
    with Image.open(ROOT / "examples" / "quickstart" / "images" / "red.png") as image:
        red = image.convert("RGBA")
    turn = TURNS.get(colour, 0)
    hue, saturation, value = red.convert("HSV").split()
    if turn is None:
        saturation = saturation.point(lambda each: each // 6)
    else:
        hue = hue.point(lambda each: (each + turn) % 256)
    turned = Image.merge("HSV", (hue, saturation, value)).convert("RGBA")
    turned.putalpha(red.getchannel("A"))
    return turned


@cache
def scene_video(colour: str, scene: str, rule: str, side: int, seed: int = 0) -> bytes:
    """A shoe that walks through a scene, `seed` frames ahead."""
    across, down = RATIOS[rule]
    size = (side * across // min(across, down) // 2 * 2, side * down // min(across, down) // 2 * 2)
    here = Path(tempfile.gettempdir()) / f"gallery-{os.getpid()}.mp4"
    count = round(_LENGTH * _RATE)
    content = video(
        here, size, (_frame(colour, scene, size, n + seed, count) for n in range(count)), _RATE
    ).read_bytes()
    here.unlink()
    return content


def _frame(colour: str, scene: str, size: tuple[int, int], number: int, count: int) -> Image.Image:
    width, height = size
    ground = _ground(scene, size).copy()
    part = (number % count) / count
    wide = _shoe_in(colour, size)
    bob = round(abs(0.5 - (part * 4) % 1) * height * 0.05)
    ground.paste(wide, (round((width - wide.width) * (0.15 + 0.7 * part)), round(height * 0.3) + bob), wide)
    return ground


@cache
def _shoe_in(colour: str, size: tuple[int, int]) -> Image.Image:
    width, height = size
    scale = min(width * 0.62 / 480, height * 0.62 / 300)
    return shoe(colour).resize((round(480 * scale), round(300 * scale)))


@cache
def _ground(scene: str, size: tuple[int, int]) -> Image.Image:
    top, bottom, hill = SCENES[scene]
    image = Image.linear_gradient("L").resize(size)
    ground = Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), image)
    draw = ImageDraw.Draw(ground)
    width, height = size
    draw.ellipse((width * 0.55, height * 0.12, width * 0.55 + height * 0.2, height * 0.32), fill="#fbe9c6")
    for x, w, y in ((-0.2, 0.8, 0.62), (0.3, 0.7, 0.55), (0.7, 0.7, 0.66)):
        draw.ellipse((width * x, height * y, width * (x + w), height * (y + 1)), fill=hill)
    draw.rectangle((0, height * 0.86, width, height), fill=top)
    return ground


# Campaigns


def spring_drop(folder: Path, jobs: int = 48, *, shorter_side: int = FINE, videos: bool = True) -> Sample:
    """A campaign in progress: every state, three ratios, prompts in five languages, takes and notes."""
    sample = Sample(
        folder,
        videos=videos,
        shorter_side=shorter_side,
        limits={"budget": max(1_000, jobs * 250), "max_credits": max(1_000, jobs * 115)},
    )
    planned = list(islice(_coordinates(), jobs))
    for number, coordinates in enumerate(planned):
        if jobs > _SAME.get(number, jobs):
            sample.job(coordinates, sample.last_purchase(key_of(planned[_SAME[number]])))
        else:
            _add(sample, number, coordinates, _outcome(number, jobs))
    return sample


def _coordinates() -> Iterator[dict[str, Any]]:
    rules = ("hero", "story", "hero", "feed")
    everything = product(range(1, 1000), range(len(IMAGES) * len(PROMPTS)))
    for number, (_round, _) in enumerate(everything):
        rule = rules[number % 4]
        prompt = list(PROMPTS)[number % len(PROMPTS)]
        image = IMAGES[(number * 5 + number // 8) % len(IMAGES)]
        scene = list(SCENES)[(number + number // 8 + number // 48) % len(SCENES)]
        axes = {"background": scene, "locale": PROMPTS[prompt][0]}
        if number >= 192:
            axes["variant"] = f"v{number // 192}"
        template = "arctic" if rule == "story" else "overlay"
        yield {"rule": rule, "template": template, "image": image, "prompt": prompt, "axes": axes}


_FATES = {4: "attention", 6: "rejected", 8: "refused", 15: "missing", 20: "vendor", 21: "rejected",
          25: "underway", 26: "missing", 30: "attention", 33: "rejected", 34: "underway", 37: "redo", 39: "missing",
          43: "lost", 44: "rejected", 46: "redo"}  # fmt: skip
# Served by the purchase of another job: one that failed, and one that is under way.
_SAME = {36: 20, 42: 34}
_APPROVED = {0, 2, 5, 9, 11, 13, 16, 19, 22, 28, 31, 41, 47}


def _outcome(number: int, jobs: int) -> str:
    if jobs <= 8:
        return {1: "approved"}.get(number, "undecided")
    place = number % 48
    if number < 48 and place in _FATES:
        return _FATES[place]
    if number >= 48 and number % 97 == 0:
        return "vendor"
    if number >= 48 and place in _FATES:
        return {"rejected": "rejected"}.get(_FATES[place], "approved")
    return "approved" if place in _APPROVED or (number >= 48 and number % 5 == 2) else "undecided"


_ERRORS = {
    "vendor": "create_media gave no frames (E_EMPTY_RENDER)",
    "refused": 'prompt names a protected brand: "high-top" in options.prompt',
    "lost": "the vendor has not known it since 27 Nov, 14:31 UTC",
    "attention": "no answer within 60 s after the create was sent",
}


def _add(sample: Sample, number: int, coordinates: dict[str, Any], outcome: str) -> None:
    key = key_of(coordinates)
    scene, colour, rule = coordinates["axes"]["background"], coordinates["image"], coordinates["rule"]
    story = coordinates["template"] == "arctic"
    base: dict[str, Any] = {
        "template_id": "vim_arctic" if story else "overlay_gray_5443",
        "credits": {"hero": 120, "story": 100, "feed": 80}[rule],
        "path": key.replace("#", "-take"),
        "request": {
            "options": {
                "background_urls": [f"https://cdn.example.com/{scene}.mp4?sig=abc"],
                "motion_type": "Auto",
                "prompt": PROMPTS[coordinates["prompt"]][1],
            },
            "images": [{"id": colour, "path": f"images/{colour}.png", "sha256": "5" * 64}],
            "title": f"{sample.name}: {key}",
            "visibility": "private",
        },
        "steps": [{"flow": flow, "outputs": [{"content_type": "image/png"}]} for flow in _FLOWS],
        "created_at": "2026-11-28 12:35:02+00:00",
        "updated_at": "2026-11-28 12:36:44+00:00",
    }
    when = 755 - number % 700
    error = {"text": _ERRORS.get(outcome)}["text"]
    if outcome in {"vendor", "lost"}:
        made = sample.purchase(key, when, **{**base, "status": "failed", "reason": outcome, "error": error})
        sample.job(coordinates, made)
    elif outcome == "refused":
        changes = {
            "status": "failed",
            "reason": "rejected",
            "error": error,
            "workflow_id": None,
            "steps": None,
        }
        sample.job(coordinates, sample.purchase(key, when, **{**base, **changes}))
    elif outcome == "attention":
        changes = {"status": "attention", "error": error, "workflow_id": None, "steps": None}
        sample.job(coordinates, sample.purchase(key, when, **{**base, **changes}))
    elif outcome == "underway":
        # Its progress is unknown: it is polled when it is likely to be finished, and not before.
        changes = {"status": "submitted", "steps": None, "updated_at": None}
        sample.job(coordinates, sample.purchase(key, when, **{**base, **changes}))
    else:
        _made(sample, number, coordinates, outcome, base, when)


_FLOWS = ("crop_to_content", "replace_alpha", "upscale", "create_media", "video_overlay")


def _made(
    sample: Sample, number: int, coordinates: dict[str, Any], outcome: str, base: dict[str, Any], when: int
) -> None:
    key = key_of(coordinates)
    scene, colour, rule = coordinates["axes"]["background"], coordinates["image"], coordinates["rule"]
    path = f"{base['path']}.mp4"
    if sample.videos:
        output = sample.put(path, sample.video(colour, scene, rule))
    else:
        output = {
            "content_type": "video/mp4",
            "sha256": hashlib.sha256(key.encode()).hexdigest(),
            "bytes": 1_000_000 + number,
        }
    if outcome == "missing":
        (sample.output / path).unlink(missing_ok=True)
    made = sample.purchase(key, when, **{**base, "outputs": [output]})
    if outcome == "redo":
        sample.job(coordinates, None, last=made["id"])
        sample.decisions.append(
            {"purchase": made["id"], "key": key, "decision": "redo", "note": "logo cut off"}
        )
        return
    sample.job(coordinates, made)
    if outcome in {"approved", "rejected"}:
        rating = number % 3 + 3 if outcome == "approved" else number % 2 + 1
        sample.decisions.append({"purchase": made["id"], "key": key, "decision": outcome, "rating": rating})
    if number == 0 and sample.videos:
        _with_history(sample, coordinates, base)


def _with_history(sample: Sample, coordinates: dict[str, Any], base: dict[str, Any]) -> None:
    """Two more takes of the first job, and the purchase that served it a week ago."""
    key = key_of(coordinates)
    for take, outcome in ((2, "rejected"), (3, "undecided")):
        other = {**coordinates, "take": take}
        path = key_of(other).replace("#", "-take")
        output = sample.put(
            f"{path}.mp4", sample.video(coordinates["image"], "beach", coordinates["rule"], take * 7)
        )
        made = sample.purchase(key_of(other), 760 + take, **{**base, "path": path, "outputs": [output]})
        sample.job(other, made)
        if outcome == "rejected":
            sample.decisions.append(
                {"purchase": made["id"], "key": key_of(other), "decision": outcome, "rating": 2}
            )
    before = sample.purchase(key, 9000, path=base["path"], template_id=base["template_id"])
    output = sample.put(
        f"{base['path']}~{before['id'][:7]}.mp4", sample.video("red", "city", coordinates["rule"])
    )
    before["outputs"] = [output]
    before["request"] = {
        **base["request"],
        "options": {
            "background_urls": ["https://cdn.example.com/city.mp4"],
            "motion_type": "Auto",
            "prompt": "The red high-top walks along the wet promenade at noon, gulls lifting in front of the camera, "
            "slow dolly from left to right",
        },
    }


def with_notes(sample: Sample) -> Sample:
    """Notes with positions, as in a decisions file."""
    first = next(each for each in sample.decisions if each["decision"] == "approved")
    first |= {
        "by": "ana",
        "notes": [
            {"at": 0.35, "text": "Sole leaves the frame on the left", "by": "ana"},
            {"at": 1.25, "text": "Logo cut off; keep the toe inside", "by": "jonas"},
        ],
    }
    return sample


def main() -> None:
    folder, jobs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 48
    sample = spring_drop(folder, jobs)
    print(sample.write())  # noqa: T201


if __name__ == "__main__":
    main()
