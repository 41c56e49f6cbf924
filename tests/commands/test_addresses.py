"""A URL in place of a path is refused: no folder is created from it, and no password in it is shown."""

from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project

from pipeline.emulator.embedded import Emulator
from pipeline.schemes import assert_location, path_argument, without_addresses, without_secrets

SECRET = "hunter2"
S3, WEB = f"s3://u:{SECRET}@host/x", f"https://u:{SECRET}@host/x.yaml"


@pytest.mark.parametrize("address", [S3, WEB, f"postgresql://u:{SECRET}@db/x"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("run MANIFEST --junit ADDRESS", "--junit"),
        ("run MANIFEST --events ADDRESS", "--events"),
        ("run MANIFEST --metrics-file ADDRESS", "--metrics-file"),
        ("run MANIFEST --token-file ADDRESS", "--token-file"),
        ("run MANIFEST --var-file ADDRESS", "--var-file"),
        ("run ADDRESS", "run"),
        ("plan MANIFEST --out ADDRESS", "--out"),
        ("plan ADDRESS", "plan"),
        ("validate ADDRESS", "validate"),
        ("collect ADDRESS", "collect"),
        ("report MANIFEST --out ADDRESS", "--out"),
        ("report MANIFEST --single ADDRESS", "--single"),
        ("report MANIFEST --compare ADDRESS", "--compare"),
        ("merge MANIFEST --out ADDRESS", "--out"),
        ("merge ADDRESS --out MANIFEST", "merge"),
        ("templates --refresh --write ADDRESS", "--write"),
        ("serve MANIFEST --token-file ADDRESS", "--token-file"),
        ("emulator --dir ADDRESS", "--dir"),
        ("emulator --faults ADDRESS", "--faults"),
        ("init ADDRESS", "init"),
        ("state export ADDRESS", "export"),
    ],
)
def test_url_in_place_of_a_path_is_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator, words: str, expected: str, address: str
) -> None:
    before = project.tree()
    given = {"MANIFEST": str(project.manifest), "ADDRESS": address}

    ended = pipeline(*(given.get(word, word) for word in words.split()))

    assert ended.code == 64, ended.output
    assert f"error: {expected} {address.partition(':')[0]}:" in ended.err
    assert SECRET not in ended.output
    assert project.tree() == before
    assert len(vendor.ledger.entries) == 0


@pytest.mark.parametrize("variable", ["JUNIT", "EVENTS", "METRICS_FILE", "TOKEN_FILE", "VAR_FILE"])
def test_url_in_an_environment_variable_is_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator, variable: str
) -> None:
    pipeline.set(f"PIPELINE_{variable}", S3)

    ended = pipeline("run", project.manifest)

    assert ended.code == 64, ended.output
    assert f"error: --{variable.lower().replace('_', '-')} s3:" in ended.err
    assert SECRET not in ended.output
    assert len(vendor.ledger.entries) == 0


@pytest.mark.parametrize("words", ["show ADDRESS main/loop/red/walk", "run --serve ADDRESS"])
def test_url_is_refused_where_the_manifest_is_optional(
    project: Project, pipeline: Pipeline, words: str
) -> None:
    ended = pipeline(*words.replace("ADDRESS", WEB).split())

    assert ended.code == 64, ended.output
    assert "https://…: expected a path, not an address" in ended.err
    assert SECRET not in ended.output


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        *(
            ("--state", value)
            for value in (
                f"host=db user=u password={SECRET} dbname=x",
                f" dbname = x password = '{SECRET}'",
                f"password={SECRET}",
                f"Server=db;Password={SECRET}",
                f"u:{SECRET}@db.example.com:5432/x",
                f"{SECRET}@db.example.com/x",
                f"//u:{SECRET}@db/x",
                "//db/x",
                f"postgres//u:{SECRET}@db/x",
                "postgresql//db/x",
                f"mysql:{SECRET}@db",
                f"PGPASSWORD={SECRET} postgresql://db/x",
                "db.example.com:5432/x",
            )
        ),
        *(("--output", value) for value in ("gs:b", "https:b", "file:out", "s3//b/x", f"k={SECRET};e=b")),
        ("--results", f"https:u:{SECRET}@h/r.json"),
    ],
)
def test_what_looks_like_an_address_is_not_taken_as_a_path(
    project: Project, pipeline: Pipeline, vendor: Emulator, flag: str, value: str
) -> None:
    before = project.tree()

    ended = pipeline("run", project.manifest, "--yes", flag, value)

    assert ended.code == 64, ended.output
    assert f"error: {flag} " in ended.err
    assert "./NAME" in ended.err or "://" in ended.err
    assert SECRET not in ended.output
    assert project.tree() == before
    assert len(vendor.ledger.entries) == 0


@pytest.mark.parametrize(
    "words",
    [
        "report MANIFEST --out gs:bucket",
        f"report MANIFEST --single s3//u:{SECRET}@bucket/x.html",
        f"plan MANIFEST --out u:{SECRET}@db.example.com",
        f"run MANIFEST --yes --junit u:{SECRET}@h.xml",
        f"run MANIFEST --yes --metrics-file https:u:{SECRET}@h",
        f"collect postgres//u:{SECRET}@h/db",
        f"collect host=db\u00a0password={SECRET}",
    ],
)
def test_file_named_like_an_address_is_neither_made_nor_shown(
    project: Project, pipeline: Pipeline, vendor: Emulator, words: str
) -> None:
    before = project.tree()

    ended = pipeline(*(str(project.manifest) if word == "MANIFEST" else word for word in words.split(" ")))

    assert ended.code == 64, ended.output
    assert "looks like an address" in ended.err
    assert "s3://" not in ended.err
    assert SECRET not in ended.output
    assert project.tree() == before
    assert len(vendor.ledger.entries) == 0


@pytest.mark.parametrize("name", ["plan-12:30.json", "a:b.json", "day=1.json", "u@h.json", "./gs:plan.json"])
def test_honest_file_names_are_no_addresses(project: Project, pipeline: Pipeline, name: str) -> None:
    assert pipeline("plan", project.manifest, "--out", name).code == 0
    assert (project.folder / name).is_file()


@pytest.mark.parametrize(
    ("flag", "named"), [("--state", ["postgres://"]), ("--output", ["s3://"]), ("--results", [])]
)
def test_refusal_names_only_what_the_flag_takes(
    project: Project, pipeline: Pipeline, flag: str, named: list[str]
) -> None:
    for value in ("ftp://h/x", "gs:bucket"):
        ended = pipeline("run", project.manifest, flag, value)
        assert ended.code == 64, ended.output
        assert [each for each in ("postgres://", "s3://") if each in ended.err] == named


@pytest.mark.parametrize(
    ("given", "hinted"),
    [
        ("./host=db user=u.db", "./host=db user=u.db"),
        ("./a:b@c/x.db", "./a:b@c/x.db"),
        ("day=2026-11-29.db", "day=2026-11-29.db"),
        ("take@2.db", "take@2.db"),
    ],
)
def test_file_with_an_odd_name_can_be_used_and_is_suggested_in_the_same_way(
    project: Project, pipeline: Pipeline, vendor: Emulator, given: str, hinted: str
) -> None:
    ended = pipeline("run", project.manifest, "--yes", "--state", given, "--format", "json")
    status = pipeline("status", project.manifest, "--state", given)

    assert (ended.code, status.code) == (0, 0), ended.output
    assert (project.folder / given).exists()
    assert "2 done" in status.output
    assert path_argument(str(Path(given))) == hinted


@pytest.mark.parametrize("output", ["gs:bucket", "s3//bucket", f"u:{SECRET}@h/x"])
def test_output_folder_that_looks_like_an_address_is_refused_in_a_manifest(
    project: Project, pipeline: Pipeline, output: str
) -> None:
    project.write(
        {
            "campaign.yaml": project.manifest.read_bytes().replace(
                b"{", b'{"output": {"dir": "%s"},' % output.encode(), 1
            )
        }
    )

    ended = pipeline("validate", project.manifest)

    assert ended.code == 64, ended.output
    assert "output.dir …: this looks like an address" in ended.err
    assert SECRET not in ended.output


@pytest.mark.parametrize(
    "value", ["C:\\records\\x.db", "c:/records/x.db", "../a:b", "/a:b", "a/b:c@d=e", ".pipeline/x.db"]
)
def test_plain_paths_are_not_taken_as_addresses(value: str) -> None:
    assert_location("--state", value)


def test_several_files_in_one_variable_are_separated_by_spaces(project: Project, pipeline: Pipeline) -> None:
    project.write({"a.yaml": "season: spring\n", "b.yaml": "season: autumn\n"})
    project.write(
        {"campaign.yaml": project.manifest.read_bytes().replace(b"{", b'{"vars": {"season": "x"},', 1)}
    )
    pipeline.set("PIPELINE_VAR_FILE", f"{project.folder / 'a.yaml'} {project.folder / 'b.yaml'}")

    ended = pipeline("validate", project.manifest)

    assert ended.code == 0, ended.output


@pytest.mark.parametrize("address", [S3, WEB, f"s3:u:{SECRET}@host", f"https://host/x?sig={SECRET}"])
@pytest.mark.parametrize(
    "words",
    [
        "show MANIFEST ADDRESS",
        "show MANIFEST a ADDRESS",
        "show main/ADDRESS",
        "resolve MANIFEST ADDRESS --not-bought",
        "rate MANIFEST ADDRESS --rating 5",
        "approve MANIFEST ADDRESS",
        "prune MANIFEST ADDRESS --yes",
        "plan MANIFEST --select image:ADDRESS",
        "plan MANIFEST --exclude ADDRESS",
        "run MANIFEST --replace ADDRESS",
        "run MANIFEST ADDRESS",
        "run MANIFEST --metrics ADDRESS",
        "run MANIFEST --shard ADDRESS",
        "run MANIFEST --rate ADDRESS",
        "run MANIFEST --format ADDRESS",
        "plan MANIFEST --var ADDRESS",
        "plan MANIFEST --ADDRESS",
        "serve MANIFEST --listen ADDRESS",
        "emulator --size ADDRESS",
        "templates ADDRESS",
        "schema ADDRESS",
        "ADDRESS",
    ],
)
def test_password_in_any_other_argument_is_not_shown(
    project: Project, pipeline: Pipeline, words: str, address: str
) -> None:
    given = {"MANIFEST": str(project.manifest)}

    ended = pipeline(*(given.get(word, word.replace("ADDRESS", address)) for word in words.split()))

    assert ended.code in {3, 64}, ended.output
    assert "rror: " in ended.err
    assert SECRET not in ended.output


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (f"no job '{S3}'; did you mean 'x'?", "no job 's3://…'; did you mean 'x'?"),
        (f"--metrics {S3}: expected HOST:PORT", "--metrics s3://…: expected HOST:PORT"),
        ("(https://u:a@b/c'@d/e), more", "(https://…), more"),
        (f"s3://u:{SECRET}…: cut", "s3://…: cut"),
        (f"no file at https://a.example/b#token={SECRET}: gone", "no file at https://…: gone"),
        (
            "`pipeline resolve x --state 'postgresql://u@db:1/x?host=%2Frun&port=1' a --workflow-id ID` (see y)",
            "`pipeline resolve x --state 'postgresql://u@db:1/x?host=%2Frun&port=1' a --workflow-id ID` (see y)",
        ),
        (f"postgresql://u@db/x?password={SECRET}: no", "postgresql://…: no"),
        (f"postgresql://u@db/x?SSLpassword={SECRET}: no", "postgresql://…: no"),
        (f"postgresql://u@db/x?pass%77ord={SECRET}: no", "postgresql://…: no"),
        (f"'postgresql://u@db'{SECRET}@db/x': no", "'postgresql://…': no"),
        (f"postgresql://u:{SECRET}@db/x: no", "postgresql://…: no"),
        ("postgresql://u@db/hunt…", "postgresql://…"),
        (
            "s3://BUCKET/PREFIX, http://127.0.0.1:80/x: told",
            "s3://BUCKET/PREFIX, http://127.0.0.1:80/x: told",
        ),
        ("-1.https://u:a@b, x", "-1.https://…, x"),
        ("1postgresql://u@db ", "1postgresql://… "),
        ("-postgresql://u@db x-s3:u@b", "-postgresql://u@db x-s3:…"),
    ],
)
def test_rest_of_a_message_is_kept(message: str, shown: str) -> None:
    assert without_secrets(message) == shown


@pytest.mark.parametrize("word", ["k", "k1-", "-", "1"])
def test_long_word_in_a_message_is_shown_at_once(word: str) -> None:
    """The time for it grows with its length, not with the square of that, which would be minutes here."""
    message = word * 500_000

    assert without_secrets(f"{message}k://u:{SECRET}@h") == f"{message}k://…"
    assert without_secrets(message) == message


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (f"run x --webhook-url https://h.test/{SECRET}/x --yes", "run x --webhook-url https://… --yes"),
        (f"run x --webhook-url=https://h.test/{SECRET}", "run x --webhook-url=https://…"),
        (f"run x --webhook-url h.test/{SECRET} --yes", "run x --webhook-url … --yes"),
        (f"run x --state postgresql:{SECRET}", "run x --state postgresql://…"),
        (f"run x --var image=https://h.test/{SECRET}", "run x --var image=https://…"),
        ("run x --output videos", "run x --output videos"),
    ],
)
def test_command_line_that_others_see_has_no_address(line: str, kept: str) -> None:
    assert without_addresses(line) == kept
