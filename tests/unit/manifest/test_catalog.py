import json
from collections.abc import Mapping

import pytest

from manifest.authoring import Project
from pipeline.documents import schema
from pipeline.documents.yaml_reader import read_yaml
from pipeline.errors import Suggestions
from pipeline.jobs import LocalFile, MediaType, Option
from pipeline.manifest.catalog import Inputs, OptionSpec, OptionType
from pipeline.manifest.catalog_file import _BUILT_IN, built_in, read_catalog

URL = OptionSpec(OptionType.URL)
URLS = OptionSpec(OptionType.LIST, OptionType.URL, joined=True)
TWO = "two urls in one text"

DOCUMENTED = {
    *("overlay_gray_5443", "overlay_gray_5442", "overlay_only_1025"),
    *("vim_new_year_2026", "vim_dancing_santa", "vim_birthday", "vim_ces_show", "vim_amazonia", "vim_arctic"),
    *("vim_sketch_me", "vim_product_showcase", "vim_instagramframeescape_0226", "vim_dreamcareer_0226"),
    *("each_explodedloop_0226", "each_ugcproduct_0226"),
}
PUBLIC = {"each_moonwalk_0226", "each_funnydance_0226", "each_createsong_0226"}
IMAGE = "image_sets: {shoes: ['https://cdn.example.com/red.png']}\n"


class TestBuiltIn:
    def test_every_documented_template_is_listed(self) -> None:
        assert set(built_in().templates) == DOCUMENTED | PUBLIC

    def test_built_in_catalogue_has_the_user_format(self) -> None:
        assert schema.check(read_yaml(_BUILT_IN, "catalog.yaml"), "catalog") == []

    def test_each_template_has_a_title_inputs_and_an_output(self) -> None:
        for template in built_in().templates.values():
            assert template.title
            assert template.inputs is not None
            assert template.gives({}) is not None

    def test_only_the_plain_overlay_takes_a_video(self) -> None:
        takes = {name: template.inputs for name, template in built_in().templates.items()}
        assert takes.pop("overlay_only_1025") == Inputs(MediaType.VIDEO, 1, 1)
        assert {inputs.type for inputs in takes.values() if inputs is not None} == {MediaType.IMAGE}
        assert takes["overlay_gray_5443"] == Inputs(MediaType.IMAGE, 1, 2)

    def test_steps_before_the_video_give_images(self) -> None:
        steps = built_in().templates["overlay_gray_5443"].steps
        assert list(steps) == [
            *("crop_to_content", "replace_alpha_with_gray", "upscale", "create_media", "video_overlay"),
        ]
        assert list(steps.values()) == [MediaType.IMAGE] * 3 + [MediaType.VIDEO] * 2
        assert set(steps) - set(built_in().templates["overlay_gray_5442"].steps) == {"upscale"}

    @pytest.mark.parametrize(
        ("name", "options", "output"),
        [
            ("vim_arctic", {}, MediaType.VIDEO),
            ("vim_arctic", {"pipeline_mode": "image"}, MediaType.IMAGE),
            ("vim_sketch_me", {"pipeline_mode": "video"}, MediaType.VIDEO),
            ("vim_sketch_me", {"pipeline_mode": "else"}, None),
            ("overlay_gray_5443", {"pipeline_mode": "image"}, MediaType.VIDEO),
            ("each_createsong_0226", {}, MediaType.AUDIO),
        ],
    )
    def test_output_follows_the_mode(
        self, name: str, options: Mapping[str, Option], output: MediaType | None
    ) -> None:
        assert built_in().templates[name].gives(options) is output

    def test_known_prices_are_listed(self) -> None:
        prices = {name: built_in().price(name, {}) for name in DOCUMENTED | PUBLIC}
        assert {name: price for name, price in prices.items() if price is not None} == {
            "each_explodedloop_0226": 100,
            "each_ugcproduct_0226": 320,
            "each_moonwalk_0226": 150,
            "each_funnydance_0226": 200,
            "each_createsong_0226": 10,
        }


class TestPrices:
    def test_price_may_depend_on_the_output(self) -> None:
        catalog = built_in().with_prices({"vim_arctic": {MediaType.IMAGE: 10, MediaType.VIDEO: 100}})
        assert catalog.price("vim_arctic", {}) == 100
        assert catalog.price("vim_arctic", {"pipeline_mode": "image"}) == 10
        assert catalog.price("vim_arctic", {"pipeline_mode": "audio"}) is None

    def test_template_may_have_only_a_price(self) -> None:
        catalog = built_in().with_prices({"new": 7, "newer": {MediaType.IMAGE: 1, MediaType.VIDEO: 2}})
        assert catalog.get("new") is None
        assert catalog.price("new", {}) == 7
        assert catalog.price("newer", {}) == 2
        assert catalog.price("newer", {"pipeline_mode": "image"}) == 1
        assert catalog.price("unheard", {}) is None

    def test_manifest_prices_apply_to_its_jobs(self, project: Project) -> None:
        jobs = project.jobs(
            "templates: {a: {template_id: vim_arctic, options: {pipeline_mode: '{{ mode }}'}}}\n"
            + IMAGE
            + "jobs: [{id: hero, matrix: {mode: [image, video]}}]\n"
            "catalog: {credits: {vim_arctic: {image: 10, video: 100}}}\n"
        )
        assert [(job.credits, job.output_media) for job in jobs] == [
            (10, MediaType.IMAGE),
            (100, MediaType.VIDEO),
        ]

    @pytest.mark.parametrize(
        ("wrong", "near"), [("overlay_gray_544", "overlay_gray_5443"), ("my_scen", "my_scene")]
    )
    def test_price_of_a_misspelled_template_is_a_warning(
        self, project: Project, wrong: str, near: str
    ) -> None:
        problems = project.problems(
            "templates: {a: {template_id: my_scene}}\n" + IMAGE + f"catalog: {{credits: {{{wrong}: 5}}}}\n"
        )
        (doubt,) = (each for each in problems if each.path == f"catalog.credits.{wrong}")
        assert doubt.severity == "warning"
        assert doubt.message == f"no template has this id, so its price is never used; did you mean '{near}'?"
        assert doubt.position is not None
        assert doubt.position.line == 5

    @pytest.mark.parametrize(
        "other", ["vim_arctic", "scene_of_another_campaign", "my_scene_2", "overlay_grey_5443"]
    )
    def test_unused_price_without_a_similar_unpriced_template_is_not_a_warning(
        self, project: Project, other: str
    ) -> None:
        problems = project.problems(
            "templates: {a: {template_id: my_scene_1}}\n"
            + IMAGE
            + f"catalog: {{credits: {{my_scene_1: 5, overlay_gray_5443: 5, {other}: 5}}}}\n"
        )
        assert [each for each in problems if each.path.startswith("catalog")] == []


class TestOwnCatalogue:
    def test_own_catalogue_adds_templates_and_options_and_null_removes(self, project: Project) -> None:
        path = project.write(
            "own.yaml",
            "version: 1\ntemplates:\n"
            "  vim_own: {inputs: {type: image}, options: {size: {type: integer, required: true}}, credits: 5}\n"
            "  overlay_gray_5443: {options: {shadow: {type: boolean}, motion_type: null}, credits: 120}\n"
            "  vim_arctic: null\n",
        )
        catalog = read_catalog(path, "own.yaml")
        overlay = catalog.templates["overlay_gray_5443"]
        assert "shadow" in overlay.options
        assert "prompt" in overlay.options
        assert "motion_type" not in overlay.options
        assert (overlay.credits, overlay.inputs) == (120, Inputs(MediaType.IMAGE, 1, 2))
        assert catalog.templates["vim_own"].options["size"].required
        assert "vim_arctic" not in catalog.templates

    def test_missing_required_option_is_an_error(self, project: Project) -> None:
        size = "{type: integer, required: true}"
        project.write("own.yaml", f"version: 1\ntemplates: {{own: {{options: {{size: {size}}}}}}}\n")
        said = "catalog: {file: own.yaml}\ntemplates: {a: {template_id: own, options: {%s}}}\n"
        assert "missing option 'size', which own needs" in project.messages(said % "")
        assert "missing option 'size'" in project.messages(said % "size: null")
        assert project.messages(said % "size: 5") == ""

    @pytest.mark.parametrize("by", [" ", "; ", "|", "\n", ","])
    def test_two_urls_in_one_text_are_an_error_wherever_they_come_from(
        self, project: Project, by: str
    ) -> None:
        one, two = "https://cdn.example.com/1.mp4", "https://cdn.example.com/2.mp4"
        project.write("shoes.csv", f'url,bg\n{one},"{one}{by}{two}"\n')
        said = (
            "templates: {a: {template_id: overlay_gray_5443, options: {background_urls: [%s], prompt: x}}}\n"
        )
        for text in (
            said % json.dumps(f"{one}{by}{two}") + IMAGE,
            said % "'{{ image.vars.bg }}'" + "image_sets: {shoes: {csv: shoes.csv}}\n",
        ):
            (problem,) = project.problems(text)
            assert problem.severity == "error"
            assert TWO in problem.message

    def test_rendered_values_are_checked(self, project: Project) -> None:
        (problem,) = project.problems(
            "templates: {a: {template_id: vim_arctic, options: {aspect_ratio: '{{ ratio }}'}}}\n"
            + IMAGE
            + "jobs: [{id: hero, matrix: {ratio: ['16:9', '16:8', '16:8 ']}, exclude: [{ratio: '16:8 '}]}]\n"
        )
        assert problem.severity == "warning"
        assert (
            "'16:8' is not one of the known values (16:9, 9:16, 1:1); did you mean '16:9'?" in problem.message
        )
        assert "(job hero/a/red/ratio=16:8)" in problem.message


class TestValues:
    @pytest.mark.parametrize(
        ("spec", "value"),
        [
            (OptionSpec(OptionType.STRING), "x"),
            (OptionSpec(OptionType.NUMBER, minimum=1, maximum=10), 1),
            (OptionSpec(OptionType.NUMBER, minimum=1, maximum=10), 9.5),
            (OptionSpec(OptionType.INTEGER), 5),
            (OptionSpec(OptionType.INTEGER), 5.0),
            (OptionSpec(OptionType.BOOLEAN), False),
            (OptionSpec(OptionType.URL), "https://cdn.example.com/a,b.mp4"),
            (URL, "https://a.example/m?l=1%2Chttps://b.example/2"),
            (URLS, ["https://a.example/m?l=1%2Chttps://b.example/2"]),
            (OptionSpec(OptionType.URL), LocalFile("a.png", "0")),
            (
                OptionSpec(OptionType.LIST, OptionType.URL, joined=True),
                ["http://a.b", LocalFile("a", "0")],
            ),
            (OptionSpec(OptionType.LIST, OptionType.STRING), ["a,b"]),
            (OptionSpec(OptionType.STRING, choices=("a", "b")), "b"),
            (OptionSpec(OptionType.ANY), {"a": [1]}),
        ],
    )
    def test_valid_values_give_no_message(self, spec: OptionSpec, value: Option) -> None:
        assert list(spec.check(value, Suggestions())) == []

    @pytest.mark.parametrize(
        ("spec", "value", "said"),
        [
            (OptionSpec(OptionType.STRING), 5, "expected a text, found the number 5"),
            (OptionSpec(OptionType.STRING), LocalFile("a.png", "0"), "expected a text, found a file"),
            (
                OptionSpec(OptionType.NUMBER),
                "5",
                "found the text '5'; write 5 without quotes where it is given, or a template with '| float'",
            ),
            (
                OptionSpec(OptionType.INTEGER),
                "5",
                "write 5 without quotes where it is given, or a template with '| int'",
            ),
            (OptionSpec(OptionType.NUMBER), True, "expected a number, found true"),
            (OptionSpec(OptionType.INTEGER), 5.5, "expected a whole number, found the number 5.5"),
            (OptionSpec(OptionType.BOOLEAN), 1, "expected true or false, found the number 1"),
            (OptionSpec(OptionType.URL), "a.png", "expected a url"),
            (OptionSpec(OptionType.LIST, OptionType.URL), "http://a.example", "expected a list"),
            (OptionSpec(OptionType.LIST, OptionType.STRING), ["a", 5], "expected a text, found the number 5"),
            (OptionSpec(OptionType.LIST, OptionType.STRING, joined=True), ["a,b"], "joined by commas"),
            (OptionSpec(OptionType.STRING), {"a": 1}, "expected a text, found a mapping"),
            *((URL, f"https://a.example/1{by}https://a.example/2", TWO) for by in (" ", ";", "|", "\n", ",")),
            # Shops put a version into the query, so that a query decides nothing.
            (URL, "https://a.example/1?v=1,https://a.example/2?v=2", TWO),
            (URL, "https://a.example/m?l=https://b.example/1,https://a.example/2", TWO),
            (
                URL,
                "https://a.example/m?l=1,https://b.example/2",
                "if it is one url, write the ',' in it as %2C",
            ),
            (
                URLS,
                ["https://a.example/1; https://a.example/2"],
                'several are a list: ["https://…", …]',
            ),
            (
                URLS,
                ["https://a.example/1,https://a.example/2"],
                'several are a list: ["https://…", …]',
            ),
            (URLS, ["https://a.example/1,2"], "joined by commas"),
        ],
    )
    def test_wrong_type_is_an_error(self, spec: OptionSpec, value: Option, said: str) -> None:
        (finding,) = spec.check(value, Suggestions())
        assert said in finding.message
        assert finding.severity == "error"

    @pytest.mark.parametrize(
        ("spec", "value", "said"),
        [
            (OptionSpec(OptionType.NUMBER, minimum=1), 0, "less than 1"),
            (OptionSpec(OptionType.NUMBER, maximum=10), 10.5, "more than 10"),
            (OptionSpec(OptionType.STRING, max_length=3), "long", "4 characters"),
            (OptionSpec(OptionType.STRING, choices=("Auto",)), "auto", "did you mean 'Auto'?"),
            (OptionSpec(OptionType.ANY, choices=(1,)), True, "not one of the known values"),
            (OptionSpec(OptionType.ANY, choices=tuple(range(5000))), "a", "38, 39 and 4,960 more)"),
        ],
    )
    def test_untested_value_is_a_warning(self, spec: OptionSpec, value: Option, said: str) -> None:
        (finding,) = spec.check(value, Suggestions())
        assert said in finding.message
        assert finding.severity == "warning"
