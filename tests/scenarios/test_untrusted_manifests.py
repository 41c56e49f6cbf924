"""An untrusted campaign is refused in one line or means what it says; nothing hangs."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, picture, spring
from support.limits import bound, limited
from support.processes import Running

from pipeline.emulator.embedded import Emulator

MIB = 1024 * 1024
NOWHERE = "http://127.0.0.1:9"
HEAD = "version: 1\nname: spring\n"
TEMPLATE = "templates: {loop: {template_id: something_new, options: {prompt: '{{ prompt }}'}}}\n"


def prompts(*templates: str) -> str:
    """A manifest with one prompt per template."""
    named = {f"p{number}": template for number, template in enumerate(templates)}
    return HEAD + TEMPLATE + f"prompts: {json.dumps(named)}\n"


def endless(name: str, step: str) -> str:
    """A manifest whose var `name` grows ninefold with every alias level."""
    steps = [f"{name}{n}: &{name}{n} {step % ','.join([f'*{name}{n - 1}'] * 9)}" for n in range(1, 9)]
    return f"{HEAD}{TEMPLATE}vars:\n  {name}0: &{name}0 {{k: x}}\n  " + "\n  ".join(steps) + "\n"


THOUSAND = list(range(1000))
# Each with the expected message.
HOSTILE = {
    "aliases.yaml": (endless("a", "[%s]"), "too large: more than "),
    "merges.yaml": (endless("m", "{<<: [%s]}"), "merge keys (<<) are not supported"),
    "circle.yaml": (f"{HEAD}{TEMPLATE}vars: &v {{again: *v}}\n", "is inside what it names"),
    "lists.yaml": (f"{HEAD}{TEMPLATE}vars: {'[' * 200_000}", "nested too deep"),
    "fewer-lists.yaml": (f"{HEAD}{TEMPLATE}vars: {'[' * 900}{']' * 900}", "nested more than 64 levels deep"),
    "dashes.yaml": (f"{HEAD}{TEMPLATE}vars:\n{'- ' * 30_000}", "nested more than 64 levels deep"),
    "matrix.yaml": (
        f"{HEAD}{TEMPLATE}jobs: [{{id: hero, matrix: {{a: {THOUSAND}, b: {THOUSAND}, c: {THOUSAND}}}}}]\n",
        "1,000,000,000 jobs; at most 1,000,000 are made",
    ),
    **{
        f"template-{number}.yaml": (prompts(template), expected)
        for number, (template, expected) in enumerate(
            {
                "{{ 'a' * 10**9 }}": "the operator '**' is not allowed",
                "{{ 'a' * 1000000000 }}": "expected a number, found a text",
                "{{ '%1000000000d' % 1 }}": "the operator '%' is not allowed",
                "{{ '{:>1000000000}'.format(1) }}": "a call is not allowed",
                "{{ range(999999999) }}": "a call is not allowed",
                "{{ 'a' | center(1000000000) }}": "there is no filter 'center'",
                "{{ ''.__class__ }}": "a text has no '__class__'",
            }.items()
        )
    },
}


def test_hostile_manifests_are_refused_with_positions_in_bounded_memory(folder: Path) -> None:
    campaign(folder, {name: content for name, (content, _) in HOSTILE.items()})

    ended = limited("RLIMIT_AS", 1024 * MIB, "validate", *HOSTILE, url=NOWHERE, folder=folder)

    assert ended.code == 3, ended.output[-2000:]
    assert "Traceback" not in ended.output
    lines = [line for line in ended.out.splitlines() if line.startswith("error: ")]
    for name, (_, expected) in HOSTILE.items():
        assert any(line.startswith(f"error: {name}:") and expected in line for line in lines), name
    assert all(line.split(":")[2].isdigit() and len(line) < 500 for line in lines)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ":1:1: the file is empty"),
        (b"# nothing yet\n", ":1:1: the file is empty"),
        (b"\xef\xbb\xbf", ":1:1: the file is empty"),
        (
            b"version: 1\nname: a\nvars: {x: 1, x: 2}\n",
            ":3:14: vars: the key 'x' is written twice, first at ",
        ),
        (b"version: 1\nvars: !!python/object/apply:os.system [true]\n", ":2:7: vars: the tag "),
        (b"version: 1\nname: a\0b\n", ":2:8: a NUL character"),
        (b"version: 1\nname: \xff\n", ":2:7: this is not UTF-8"),
        ("version: 1\n".encode("utf-16"), ":1:1: this is UTF-16"),
        (b'version: 1\nname: "\\ud83d"\n', ":2:"),
        (b"# " + b"x" * 3_000_000, ":1:1: this is larger than 2,097,152 bytes"),
        (b"version: 1\n---\nversion: 1\n", ":2:1: a second document"),
        (
            b"version: 1\nname: 2026-02-31\nvars: {n: " + b"9" * 5000 + b"}\n",
            ":3:11: vars.n: a number of 5,0",
        ),
        (
            f"{HEAD}{TEMPLATE}prompts:\n  walk: |\n    a\n    {{{{ nobody }}}}\n".encode(),
            ":7:5: prompts.walk: 'nobody' is undefined",
        ),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_invalid_manifest_is_reported_with_its_position(
    folder: Path, offline: Pipeline, content: bytes, expected: str
) -> None:
    campaign(folder, {"campaign.yaml": content})

    for command in ("validate", "run"):
        ended = offline(command, "campaign.yaml")

        assert ended.code == 3, ended.output[-2000:]
        assert f"error: campaign.yaml{expected}" in ended.output
        assert "Traceback" not in ended.output


def test_yaml_1_1_keywords_are_sent_as_written(folder: Path, offline: Pipeline) -> None:
    words = "{a: no, b: 12:30:00, c: 1e3, d: 2026-02-31, e: on, f: 1_000, g: '017'}"
    manifest = f"templates: {{any: {{template_id: something_new, options: {words}}}}}\n"
    campaign(folder, {"campaign.yaml": HEAD + manifest})

    (job,) = offline("expand", "campaign.yaml", "--format", "json").document["jobs"]

    assert json.dumps(job["request"]["options"]) == (
        '{"a": "no", "b": "12:30:00", "c": 1000.0, "d": "2026-02-31", "e": "on", "f": "1_000", "g": "017"}'
    )


class TestPaths:
    def test_path_that_is_not_a_project_file_is_reported_without_blocking(
        self, project: Project, offline: Pipeline, tmp_path: Path
    ) -> None:
        (tmp_path / "secret.yaml").write_text("version: 1\nname: x\npassword: hunter2\n")
        os.mkfifo("pipe.yaml")
        for link, target in (("out.yaml", tmp_path / "secret.yaml"), ("circle.yaml", Path("circle.yaml"))):
            Path(link).symlink_to(target)

        for path in ("pipe.yaml", "out.yaml", "circle.yaml", "/dev/zero", "none.yaml", "n" * 300):
            for command in ("validate", "run", "collect"):
                ended = offline(command, path)
                assert ended.code == 3, (command, path, ended.output)
                assert f"error: {path}" in ended.output
                assert "hunter2" not in ended.output
        assert "this is a folder" in offline("run", ".").err

    def test_impossible_record_paths_are_reported_in_one_line(
        self, project: Project, pipeline: Pipeline, vendor: Emulator
    ) -> None:
        Path("circle").symlink_to("circle")
        long = "n" * 300

        for command, flag, path, code in (
            *(
                (command, flag, "circle", 3)
                for command in ("plan", "run")
                for flag in ("--state", "--results")
            ),
            *((command, flag, long, 64) for command in ("plan", "run") for flag in ("--state", "--results")),
        ):
            ended = pipeline(command, project.manifest, flag, path)
            assert ended.code == code, (command, flag, path, ended.output)
            assert path[:50] in ended.err
        assert not vendor.ledger.entries

    def test_search_of_a_folder_does_not_block_on_a_pipe(
        self, project: Project, start: Callable[..., Running]
    ) -> None:
        os.mkfifo("pipe.yaml")

        ended = start("validate", ".").ended()

        assert ended.code == 0, ended.output
        assert "spring is valid, 2 jobs" in ended.out

    def test_unreadable_file_is_reported(self, project: Project) -> None:
        closed = project.folder / "images" / "red.png"
        for path in (closed, project.manifest):
            path.chmod(0)
            ended = bound("validate", "campaign.yaml", url=NOWHERE, folder=project.folder)
            assert ended.code == 3, ended.output
            assert "cannot be read: Permission denied" in ended.out

    def test_unreadable_manifest_in_a_folder_is_an_error(self, project: Project) -> None:
        closed = project.folder / "closed.yaml"
        closed.write_text("version: 1\nname: closed\n", encoding="utf-8")
        closed.chmod(0)

        ended = bound("validate", ".", url=NOWHERE, folder=project.folder)

        assert ended.code == 3, ended.output
        assert "closed.yaml:1:1: it cannot be read: Permission denied" in ended.out

    def test_images_that_must_not_be_uploaded_are_each_reported(
        self, folder: Path, offline: Pipeline, tmp_path: Path
    ) -> None:
        (tmp_path / "secret.png").write_bytes(picture())
        project = campaign(folder, {"empty.png": b"", "page.png": b"<!doctype html><html></html>"})
        project.write({"large.png": picture(), ".env": b"KEY=x"})
        with Path("large.png").open("r+b") as file:
            file.truncate(1 << 30)
        Path("passwd.png").symlink_to("/etc/passwd")
        os.mkfifo("pipe.png")
        paths = ["none.png", "empty.png", "page.png", "large.png", "passwd.png", "../secret.png", "pipe.png"]
        items = [{"path": path, "id": f"i{number}"} for number, path in enumerate([*paths, ".env"])]
        project.write({"campaign.yaml": spring(image_sets={"shoes": items})})

        ended = offline("validate", "campaign.yaml", "--format", "json")

        assert ended.code == 3
        said = [f"{each['summary']} {each.get('detail', '')}" for each in ended.document["diagnostics"]]
        assert len(said) == len(items)
        for words in ("no such file", "is empty", "an HTML page", "larger than 25 MB", "not a regular file"):
            assert sum(words in each for each in said) == 1, words
        assert sum("leads outside the project" in each for each in said) == 2
        assert sum("is hidden" in each for each in said) == 1


class TestOnTheWire:
    def test_text_of_any_script_reaches_the_vendor_unchanged(
        self, folder: Path, pipeline: Pipeline, vendor: Emulator
    ) -> None:
        # Decomposed letters, joined emoji and direction marks: none is changed.
        text = "👩‍👩‍👧 \u202bשלום\u202c e\u0301 ﬁ \u200b{{ 7 * 7 }} {% x %}"
        for api in ("v1", "v2"):
            manifest = spring(provider={"api": api}, vars={"text": text}, prompts={api: "{{ text }}"})
            project = campaign(folder, {"campaign.yaml": json.dumps(manifest, ensure_ascii=False)})
            assert pipeline("run", project.manifest, "--replace", "main").code == 0

        assert [each.options["prompt"] for each in vendor.store.workflows()] == [text, text]

    @pytest.mark.parametrize(
        "name",
        ['a "quote".png', "two\r\nlines: x.png", "‮gnp.exe.png", f"{'n' * 251}.png", "CON.png"],
        ids=ascii,
    )
    def test_image_with_any_file_name_is_sent_and_its_result_kept(
        self, folder: Path, pipeline: Pipeline, vendor: Emulator, name: str
    ) -> None:
        manifest = spring(image_sets={"shoes": [name]}, prompts={"walk": "a walk"})
        project = campaign(folder, {"campaign.yaml": manifest, name: picture()})

        ended = pipeline("run", project.manifest)

        assert ended.code == 0, ended.output
        assert len(vendor.ledger.bought) == 1
        (path,) = project.output()
        assert path.isprintable()
        assert not set(path) & set('"\\:')
        assert max(map(len, path.split("/"))) <= 100
        assert "con" not in {part.partition(".")[0].casefold() for part in path.split("/")}


def test_image_changed_before_it_is_sent_fails_its_job_and_is_not_sent(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    manifest = spring(image_sets={"shoes": ["red.png", "blue.png"]}, prompts={"walk": "a walk"})
    project = campaign(folder, {"campaign.yaml": manifest, "red.png": picture(), "blue.png": picture("blue")})

    # Each wave buys one job; the checkpoint before the first removes the other's image.
    ended = pipeline("run", project.manifest, "--in-flight", "1", "--checkpoint", "echo no image > red.png")

    assert ended.code == 1, ended.output
    assert "red.png: has changed since it was planned" in ended.output
    assert project.statuses() == {"main/loop/blue/walk": "done", "main/loop/red/walk": "failed"}
    assert project.jobs()["main/loop/red/walk"]["reason"] == "input"
    assert len(vendor.ledger.entries) == 1
