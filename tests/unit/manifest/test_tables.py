"""Tables: images, prompts and axes from CSV files as exported by shops and spreadsheets."""

import copy
import csv
import gzip
import io
import json
import pickle
import tracemalloc
import unicodedata
import zipfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifest.authoring import ANYTHING, HEAD, Project
from pipeline.documents.csv_table import SEPARATORS, read_csv
from pipeline.documents.node import SourceFile
from pipeline.documents.text_file import decode
from pipeline.errors import InvalidInput
from pipeline.jobs import LocalFile, RemoteFile
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.manifest.model import Item

IMAGES = ANYTHING + "image_sets: {shoes: {csv: rows.csv}}\n"
OPTIONS = "templates: {any: {template_id: something_new, options: {o: 'OPTION'}}}\n"
URL = "https://cdn.example.com/"


def items(project: Project, table: str | bytes, more: str = "") -> tuple[Item, ...]:
    """The items of a table, read as `more` says."""
    project.write("rows.csv", table)
    campaign = project.load(IMAGES.replace("rows.csv", f"rows.csv{more}"))
    return campaign.image_sets["shoes"].items


def workbook(name: str, content: str = "<x/>") -> bytes:
    """A ZIP archive with one file, as office programs write them."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), content * 50 if content == "<x/>" else content)
    return written.getvalue()


def told(project: Project, table: str | bytes, more: str = "") -> str:
    """The problems of such a manifest, except that of its unknown template."""
    project.write("rows.csv", table)
    problems = project.problems(IMAGES.replace("rows.csv", f"rows.csv{more}"))
    return "\n".join(str(problem) for problem in problems if problem.severity == "error")


class TestImages:
    def test_columns_are_images_id_version_and_vars(self, project: Project) -> None:
        for name in ("front.png", "back.png", "side.png"):
            project.image(name)
        shoe, hat = items(
            project,
            "\ufeffid,path,path_10,path_2,url,version,name,price\r\n"
            'shoe,front.png,side.png,back.png,,,"Shoe, red",5\r\n'
            "\r\n"
            f"hat,,,,{URL}hat.png?sig=1,7,,\r\n",
        )
        assert [image.path for image in shoe.images if isinstance(image, LocalFile)] == [
            *("front.png", "back.png", "side.png"),
        ]
        assert (shoe.id, shoe.vars) == ("shoe", {"name": "Shoe, red", "price": "5"})
        assert (hat.id, hat.vars) == ("hat", {})
        assert hat.images == (RemoteFile(f"{URL}hat.png?sig=1", "7"),)

    def test_default_id_is_the_name_of_the_first_image(self, project: Project) -> None:
        assert [item.id for item in items(project, f"url\n{URL}a%20b.png?x=1\n{URL}c\n")] == ["a b", "c"]

    def test_cell_is_always_text(self, project: Project) -> None:
        (item,) = items(project, f"url,a,b,c\n{URL}x.png,007,19.90,true\n")
        assert item.vars == {"a": "007", "b": "19.90", "c": "true"}

    def test_empty_cell_or_short_row_leaves_the_var_unset(self, project: Project) -> None:
        one, other = items(project, f"url,a,b\n{URL}1.png,, \n{URL}2.png\n")
        assert (one.vars, other.vars) == ({}, {})

    def test_blank_rows_are_skipped_even_above_the_header(self, project: Project) -> None:
        assert len(items(project, f"\n,,\nurl,a,b\n\n,,\n  \n{URL}1.png,x,y\n,\n\n")) == 1

    def test_trailing_separators_make_no_column(self, project: Project) -> None:
        (item,) = items(project, f"url;a;;\n{URL}1.png;x;;\n")
        assert item.vars == {"a": "x"}

    def test_column_that_is_not_an_identifier_is_accessed_by_name(self, project: Project) -> None:
        project.write("rows.csv", f"url,Variant Price\n{URL}1.png,19.90\n")
        (job,) = project.jobs(
            OPTIONS.replace("'OPTION'", "\"{{ image.vars['Variant Price'] }} €\"")
            + "image_sets: {shoes: {csv: rows.csv}}\n"
        )
        assert job.request.options == {"o": "19.90 €"}

    def test_urls_are_sent_byte_for_byte(self, project: Project) -> None:
        url = f"{URL}Ä%20b/./x/../red.png?sig=a+b%2F&x=1#part"
        (item,) = items(project, f"url\n{url}\n")
        assert item.images == (RemoteFile(url),)

    def test_path_may_be_a_url(self, project: Project) -> None:
        (item,) = items(project, f"path\n{URL}a.png\n")
        assert item.images == (RemoteFile(f"{URL}a.png"),)

    def test_paths_are_relative_to_the_file_that_names_the_table(self, project: Project) -> None:
        project.image("common/images/a.png")
        project.write("common/rows.csv", "path,n\nimages/a.png,1\nimages/b.png,2\n")
        project.write("common/base.yaml", "version: 1\nimage_sets: {shoes: {csv: rows.csv}}\n" + ANYTHING)
        text = "extends: ../common/base.yaml\nimage_sets: {shoes: {where: \"{{ row.n == '1' }}\"}}\n"
        (job,) = project.jobs(text, "spring/campaign.yaml")
        (image,) = job.request.images
        assert isinstance(image, LocalFile)
        assert image.path == "../common/images/a.png"

    def test_repeated_row_counts_once(self, project: Project) -> None:
        assert len(items(project, f"id,url,a\nx,{URL}1.png,y\nx,{URL}1.png,y\n")) == 1

    @pytest.mark.parametrize(
        ("table", "said"),
        [
            ("", "rows.csv:1:1: the file is empty"),
            ("url\n", "rows.csv:1:1: the table has no rows"),
            ("\n\nurl\n", "rows.csv:3:1: the table has no rows"),
            ("id,name\nx,y\n", "there is no column 'path' or 'url'; name the one to use: 'columns: {url: …}'"),
            ("id,urls\nx,y\n", "'path' or 'url'; name the one to use: 'columns: {url: urls}'"),
            (
                'url,a\nb,c\n"a.png,\n\n',
                "rows.csv:3:1: this is not CSV: a quote that opens here is never closed",
            ),
            (
                'url,a\nx,"5" screen"\n',
                ("rows.csv:2:1: this is not CSV: a closing quote without ',' after it; "
                "a quote inside a cell in quotes is written twice"),
            ),
            ('url\ta\nx\t"5" screen"\n', "a closing quote without a tab after it"),
            ("url\n<<<<<<< HEAD\na.png\n", "merge conflict"),
            ("version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
            (b"url\n\xff\n", "not UTF-8"),
            (b"url\n\x00\n", "NUL"),
            ("url,,a\nx,y,z\n", "column 2 has no name"),
            ("url,a,a\nx,y,z\n", "the column 'a' appears twice"),
            (f"url,a\n{URL}1.png,x,y\n", "rows.csv:2:1: 3 cells, but the header has 2 columns"),
            ("sep=;\nurl;id\n", "rows.csv:1:1: 'sep=;' is a hint for Excel, not the header: delete"),
            ('"sep=,"\nurl\n', "is a hint for Excel"),
            ("sep=;;\nid;url;a\n", "rows.csv:1:1: 'sep=;;' is a hint for Excel"),
            ("sep=,,,\nid,url,a\n", "rows.csv:1:1: 'sep=,,,' is a hint for Excel"),
            ('\n"sep=;";;\nid;url\n', "rows.csv:2:1: '\"sep=;\";;' is a hint for Excel"),
            (" \n;;\nsep=;\nid;url\n", "rows.csv:3:1: 'sep=;' is a hint for Excel"),
            (workbook("xl/workbook.xml"), "rows.csv:1:1: this is a spreadsheet, not a text file; export it as CSV"),
            (workbook("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), "this is a spreadsheet"),
            (workbook("word/document.xml"), "this is a document of a word processor"),
            (workbook("anything"), "this is a ZIP archive"),
            (gzip.compress(b"id,url\n", mtime=0), "this is a compressed file"),
            (b"%PDF-1.7\n\xe2\xe3", "this is a PDF"),
            ("ID,URL\nx,y\n", "name the one to use: 'columns: {url: URL}'"),
            ("id|url\nx|y\n", "separated by '|': write 'delimiter: \"|\"'"),
            ("Id^Path\nx^y\n", "separated by '^': write"),
            ("url,path,a\n,,x\n", "rows.csv:2:1: neither 'path' nor 'url' is filled"),
            ("url,a\n,x\n", "rows.csv:2:1: 'url' is empty"),
            ('url,a\n"","two\nlines"\n,x\n', "rows.csv:4:1: 'url' is empty"),
            (f"url,path\n{URL}1.png,x.png\n", "both 'url' and 'path' are filled; one image needs one of them"),
            (f"url,url_2,path_2\n{URL}1.png,{URL}2.png,x.png\n", "both 'url_2' and 'path_2' are filled"),
            (f"id,url\nx,{URL}1.png\nx,{URL}2.png\n", "id 'x' but differ; the first is in line 2"),
            (f"url,a\n{URL}1.png,x\n{URL}1.png,y\n", "two rows have the id '1' but differ"),
            (f'a,id,url\n"x,\ny,""z",{"x" * 201},{URL}1.png\n', "rows.csv:3:8: 'id' cannot be an id"),
            (f"path,url\nx.png,{URL}1.png\n", "rows.csv:2:7: both 'path' and 'url' are filled"),
            ("id,url\na,http://[/1.png\n", "rows.csv:2:3: this is not a url"),
            ("id;path\na; x.png\n", "rows.csv:2:3: there is no such file: x.png"),
            (f"id,url\na,{URL}a.png {URL}b.png\n", "rows.csv:2:3: two urls in one cell, 'url'"),
            (f'id,url\n"x\ny",{URL}1.png\n', "'id' cannot be an id: expected one line of at most 200 characters"),
            (f"id,url\n{'x' * 201},{URL}1.png\n", "'id' cannot be an id"),
            (f"url\n{URL}\n", "the url's path has no file name; give the item an 'id'"),
        ],
    )  # fmt: skip
    def test_invalid_table_is_explained(self, project: Project, table: str | bytes, said: str) -> None:
        assert said in told(project, table)

    @pytest.mark.parametrize("between", [",", ", ", ";", "|", " ", "\n"])
    def test_two_urls_in_one_cell_are_rejected(self, project: Project, between: str) -> None:
        table = f'id,Image Link\na,"{URL}a.png{between}{URL}b.png"\n'
        said = "two urls in one cell, 'Image Link'; each needs a column of its own: url_2, url_3"
        assert said in told(project, table, ", columns: {url: Image Link}")
        (item,) = items(project, f'id,url,more\na,{URL}a.png,"{URL}b.png{between}{URL}c.png"\n')
        assert item.vars == {"more": f"{URL}b.png{between}{URL}c.png"}

    @pytest.mark.parametrize(("between", "encoded"), [(",", "%2C"), (";", "%3B"), ("|", "%7C")])
    def test_one_url_with_several_in_its_query_is_written_as_its_refusal_says(
        self, project: Project, between: str, encoded: str
    ) -> None:
        url = f"{URL}merge?layers=1.png{between}{URL}2.png"
        assert f"if it is one url, write the '{between}' in it as {encoded}" in told(
            project, f'id,url\na,"{url}"\n'
        )
        (item,) = items(project, f'id,url\na,"{url.replace(between, encoded)}"\n')
        assert item.images == (RemoteFile(url.replace(between, encoded)),)

    @pytest.mark.parametrize("column", ["url", "path"])
    def test_list_in_a_cell_is_rejected(self, project: Project, column: str) -> None:
        table = f'id,{column}\na," [""{URL}a.png"", ""{URL}b.png""]"\n'
        said = f"a list in one cell, '{column}'; each needs a column of its own: {column}_2, {column}_3"
        assert said in told(project, table)

    @pytest.mark.parametrize(
        ("cell", "advice"),
        [
            ("[a.jpg]", "write it without brackets: a.jpg"),
            ("[ 'a.jpg' ]", "write it without brackets: a.jpg"),
            (f'"[""{URL}a.jpg""]"', f"write it without brackets: {URL}a.jpg"),
            ("[]", "leave the cell empty"),
            ("[''] ", "leave the cell empty"),
        ],
    )
    def test_list_of_one_in_a_cell_is_answered_with_what_is_in_it(
        self, project: Project, cell: str, advice: str
    ) -> None:
        table = f"id,path\na,{cell}\n"
        assert told(project, table) == f"rows.csv:2:3: a list in one cell, 'path'; {advice}"

    def test_blanks_around_a_cell_belong_to_no_url_or_path(self, project: Project) -> None:
        project.image("a.png")
        (item,) = items(project, f"id, url, path_2\nx, {URL}a.png , a.png\n")
        assert [getattr(image, "url", None) or getattr(image, "path", None) for image in item.images] == [
            f"{URL}a.png",
            "a.png",
        ]

    @pytest.mark.parametrize(
        ("header", "more"),
        [("id,url_1,url_2", ""), ("id,a,b", ", columns: {url_1: a, url_2: b}"), ("id,url_01,url_2", "")],
    )
    def test_first_of_numbered_images_may_have_a_number(
        self, project: Project, header: str, more: str
    ) -> None:
        (item,) = items(project, f"{header}\nx,{URL}a.png,{URL}b.png\n", more)
        assert [image.url for image in item.images if isinstance(image, RemoteFile)] == [
            f"{URL}a.png",
            f"{URL}b.png",
        ]
        assert item.vars == {}

    @pytest.mark.parametrize(
        ("header", "more", "both"),
        [
            ("url,url_1", "", "'url' and 'url_1'"),
            ("url_01,url_1", "", "'url_01' and 'url_1'"),
            ("a,b", ", columns: {url_01: a, url_1: b}", "'a' and 'b'"),
        ],
    )
    def test_two_columns_for_the_first_image_are_told(
        self, project: Project, header: str, more: str, both: str
    ) -> None:
        said = told(project, f"{header}\n{URL}a.png,{URL}b.png\n", more)
        assert f"both {both} are filled" in said

    def test_rows_may_fill_either_of_two_columns_for_the_first_image(self, project: Project) -> None:
        found = items(project, f"url_01,url_1\n{URL}a.png,\n,{URL}b.png\n")
        assert [item.images for item in found] == [
            (RemoteFile(f"{URL}a.png", None),),
            (RemoteFile(f"{URL}b.png", None),),
        ]

    @pytest.mark.parametrize("where", ["", """, where: "{{ row['c7'] == '' and row['id'] != 'x1' }}\""""])
    def test_short_rows_under_a_wide_header_cost_what_they_hold(self, project: Project, where: str) -> None:
        header = ",".join(["id", "url", *(f"c{number}" for number in range(20_000))])
        table = "\n".join([header, *(f"x{number},{URL}{number}.png" for number in range(2_000))])
        tracemalloc.start()
        try:
            found = items(project, table, where)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(found) == (1_999 if where else 2_000)
        # With a cell for each column, the rows alone would take 320 MB; the catalogue takes 70 MB.
        assert most < 150 << 20

    def test_row_sees_only_its_own_cells(self, project: Project) -> None:
        table = f"id,url,a\nx,{URL}x.png,1\ny,{URL}y.png\n"
        found = items(project, table, """, where: "{{ row['a'] == '' }}\"""")
        assert [item.id for item in found] == ["y"]

    def test_all_rows_are_checked_up_to_a_limit(self, project: Project) -> None:
        assert told(project, "url,a\n" + ",x\n" * 3).count("'url' is empty") == 3
        rows = f"url,a\n{URL}1.png,x\n" + "1,2,3\n" * 1000
        said = told(project, rows)
        assert said.count("3 cells") == 100
        assert "and 900 more errors, not listed" in said


class TestSeparators:
    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    def test_header_determines_the_separator(self, project: Project, separator: str) -> None:
        table = f"id,url,note\na,{URL}1.png,x\n".replace(",", separator)
        (item,) = items(project, table)
        assert (item.id, item.vars) == ("a", {"note": "x"})

    def test_column_names_determine_the_separator(self, project: Project) -> None:
        (item,) = items(project, f"id;url;note, or two, or three, or more\na;{URL}1.png;x\n")
        assert item.vars == {"note, or two, or three, or more": "x"}
        (item,) = items(
            project, f"Kennung;Bild,1,2,3\na;{URL}1.png\n", ", columns: {url: 'Bild,1,2,3', id: Kennung}"
        )
        assert item.id == "a"

    def test_quoted_separator_is_ignored(self, project: Project) -> None:
        (item,) = items(project, f'"id;1;2;3;4",url\na,{URL}1.png\n')
        assert item.vars == {"id;1;2;3;4": "a"}

    @pytest.mark.parametrize("separator", ["|", "^", ":", "\\t"])
    def test_separator_can_be_specified(self, project: Project, separator: str) -> None:
        real = separator.replace("\\t", "\t")
        table = "id,path,note\na,x.png,b\n".replace(",", real)
        project.image("x.png")
        (item,) = items(project, table, f', delimiter: "{separator}"')
        assert (item.id, item.vars) == ("a", {"note": "b"})

    @pytest.mark.parametrize("separator", ['"', "ab", "", "\n", "x", "0"])
    def test_invalid_separator_is_rejected(self, project: Project, separator: str) -> None:
        said = told(project, f"url\n{URL}1.png\n", f", delimiter: {json.dumps(separator)}")
        assert said.count("image_sets.shoes.delimiter") == 1


@given(
    rows=st.lists(
        st.lists(st.text('a,;\t" \nß', max_size=5), min_size=3, max_size=3).filter(lambda row: "a" in row[0]),
        min_size=1,
        max_size=4,
    ),
    separator=st.sampled_from(SEPARATORS),
    quotes_all=st.booleans(),
)
def test_each_cell_is_found_where_it_was_written(
    rows: list[list[str]], separator: str, quotes_all: bool
) -> None:
    text, written = separator.join("abc") + "\n", []
    for row in rows:
        for number, cell in enumerate(row):
            written.append((text.count("\n") + 1, len(text) - text.rfind("\n")))
            is_plain = not quotes_all and not set(cell) & {separator, '"', "\n"}
            text += cell if is_plain else '"' + cell.replace('"', '""') + '"'
            text += "\n" if number == 2 else separator
    table, _problems = read_csv(SourceFile(Path("x.csv"), "x.csv", text), separator, ())
    assert [table.position(each.line, column) for each in table.records for column in "abc"] == written


class TestColumns:
    def test_columns_map_our_names_to_those_of_the_file(self, project: Project) -> None:
        (item,) = items(
            project,
            f"Handle,Image Src,Back,Rev,id\nshoe,{URL}1.png,{URL}2.png,3,other\n",
            ", columns: {id: Handle, url: Image Src, url_2: Back, version: Rev}",
        )
        assert item.id == "shoe"
        assert item.images == (RemoteFile(f"{URL}1.png", "3"), RemoteFile(f"{URL}2.png", "3"))
        assert item.vars == {"id": "other"}

    def test_name_is_the_same_in_any_normal_form(self, project: Project) -> None:
        name = "Größe é"
        table = f"{unicodedata.normalize('NFD', name)}\n{URL}1.png\n"
        assert len(items(project, table, f", columns: {{url: {name}}}")) == 1

    def test_missing_column_is_reported_with_a_suggestion(self, project: Project) -> None:
        said = told(project, f"Image Src\n{URL}1.png\n", ", columns: {url: Image Source}")
        assert said == (
            "campaign.yaml:4:52: image_sets.shoes.columns.url: rows.csv has no column 'Image Source'; "
            "did you mean 'Image Src'?"
        )

    def test_columns_are_listed_where_none_is_similar(self, project: Project) -> None:
        said = told(project, f"url,n\n{URL}1.png,1\n", ", columns: {id: nope}")
        assert said == (
            "campaign.yaml:4:51: image_sets.shoes.columns.id: rows.csv has no column 'nope'; there are 'url', 'n'"
        )

    def test_only_our_names_can_be_mapped(self, project: Project) -> None:
        said = told(project, f"url\n{URL}1.png\n", ", columns: {urll: url}")
        assert "image_sets.shoes.columns.urll: unknown key; did you mean 'url'?" in said
        assert "text" in told(project, f"url\n{URL}1.png\n", ", columns: {text: url}")

    def test_many_columns_are_accepted(self, project: Project) -> None:
        names = [f"column {number}" for number in range(20_000)]
        (item,) = items(project, f"url,{','.join(names)}\n{URL}1.png{',x' * 20_000}\n")
        assert len(item.vars) == 20_000


class TestCauses:
    """A mistake is told once, and not what follows from it."""

    def test_axis_that_could_not_be_read(self, project: Project) -> None:
        project.write("s.csv", "name,look\nnoir,dark\n")
        rule = (
            "jobs: [{id: hero, matrix: {style: {csv: s.csv}}, exclude: [{style: noir}], "
            "when: '{{ style.vars.look }}'}]\n"
        )
        problems = project.problems(OPTIONS.replace("OPTION", "{{ style }}") + rule)
        assert [str(each) for each in problems if each.severity == "error"] == [
            "s.csv:1:1: there is no column 'id'; name the one to use: 'columns: {id: …}'"
        ]

    def test_delimiter_that_is_none(self, project: Project) -> None:
        said = told(project, f"url||id\n{URL}a.png||a\n", ', delimiter: "||"')
        assert "the one character that separates cells" in said
        assert "\n" not in said

    def test_blanks_around_ids_are_a_warning(self, project: Project) -> None:
        project.write("rows.csv", f"url,id\n{URL}a.png,a\n{URL}b.png, b\n{URL}c.png,c \n")
        campaign = project.load(IMAGES)
        assert [str(each) for each in campaign.warnings if "blanks" in each.message] == [
            "rows.csv:3:31: the id ' b' has blanks around it, which are part of the job's key; so has 1 other row"
        ]


class TestWhere:
    def test_row_that_it_drops_may_be_too_long(self, project: Project) -> None:
        project.write("rows.csv", f"status,url\ndraft,{URL}1.png,more,cells\nactive,{URL}2.png\n")
        where = ", where: \"{{ row.status == 'active' }}\""
        problems = project.problems(IMAGES.replace("rows.csv", f"rows.csv{where}"))
        (doubt,) = [str(each) for each in problems if each.position and each.position.file == "rows.csv"]
        assert "rows.csv:2:1: 4 cells, but the header has 2 columns" in doubt
        assert doubt.endswith("'where' drops this row as it was read")
        assert [each.severity for each in problems if "4 cells" in each.message] == ["warning"]

    def test_row_that_it_keeps_may_not_be_too_long(self, project: Project) -> None:
        table = f"status,url\nactive,{URL}1.png,more\n"
        said = told(project, table, ", where: \"{{ row.status == 'active' }}\"")
        assert said.startswith("rows.csv:2:1: 3 cells, but the header has 2 columns; put a cell")

    TABLE = f"id,url,Image Position,Status\na,{URL}1.png,1,active\nb,{URL}2.png,2,\nc,,1,draft\n"

    @pytest.mark.parametrize(
        ("where", "ids"),
        [
            ("{{ row['Image Position'] == '1' and row.url }}", ["a"]),
            ("{{ row['Image Position']|int > 1 }}", ["b"]),
            ("{{ row.Status == '' }}", ["b"]),
            ("{{ row.id in ['a', 'b'] }}", ["a", "b"]),
            ("{{ row.Status }}", ["a"]),
        ],
    )
    def test_rows_are_filtered_before_any_other_check(
        self, project: Project, where: str, ids: list[str]
    ) -> None:
        table = self.TABLE.replace("c,,1,draft", "c,,1, ")
        assert [item.id for item in items(project, table, f', where: "{where}"')] == ids

    def test_duplicate_ids_are_reported_after_filtering(self, project: Project) -> None:
        table = f"id,url,n\na,{URL}1.png,1\na,{URL}2.png,2\n"
        assert "two rows have the id 'a'" in told(project, table)
        assert len(items(project, table, ", where: \"{{ row.n == '1' }}\"")) == 1

    def test_unknown_column_is_an_error_with_the_row(self, project: Project) -> None:
        said = told(project, self.TABLE, ', where: "{{ row.Stats }}"')
        assert said == (
            "campaign.yaml:4:44: image_sets.shoes.where: 'Stats' is undefined; did you mean 'Status'? "
            "(row rows.csv:2)"
        )

    def test_only_the_row_is_in_scope(self, project: Project) -> None:
        project.write("rows.csv", self.TABLE)
        said = project.messages(
            "vars: {season: x}\n" + IMAGES.replace("rows.csv", 'rows.csv, where: "{{ season }}"')
        )
        assert "'season' is undefined" in said

    @pytest.mark.parametrize(
        "where", ["{{ row.url }} and {{ row.n }}", "x{{ row.url }}", "{% if row.url %}x{% endif %}"]
    )
    def test_anything_but_one_expression_is_rejected(self, project: Project, where: str) -> None:
        said = told(project, self.TABLE, f', where: "{where}"')
        assert "image_sets.shoes.where: expected one expression and nothing around it" in said

    def test_single_equals_sign_is_explained(self, project: Project) -> None:
        said = told(project, self.TABLE, """, where: "{{ row.n = '1' }}\"""")
        assert "image_sets.shoes.where: a single '=' compares nothing; write '=='" in said

    @pytest.mark.parametrize(
        ("value", "advice"),
        [
            ("1", "compare with '1', or write row['Image Position'] | int"),
            ("-2.5", "compare with '-2.5', or write row['Image Position'] | float"),
            ("true", "write a text, as in row['Image Position'] == 'TRUE'"),
            ("false", "write a text, as in row['Image Position'] == 'TRUE'"),
        ],
    )
    def test_comparison_with_what_no_cell_is_gets_a_hint(
        self, project: Project, value: str, advice: str
    ) -> None:
        said = told(project, self.TABLE, f", where: \"{{{{ row['Image Position'] == {value} }}}}\"")
        assert said.endswith(
            f"none of the 3 rows; 'row['Image Position']' is a text, never {value}; {advice}"
        ), said

    FLAGS = "url,Published,Qty\nhttps://a.example/a.png,TRUE,3\nhttps://a.example/b.png,FALSE,0\n"

    @pytest.mark.parametrize(
        ("where", "message"),
        [
            ("row.Qty != 0", "'row.Qty' is a text, never 0; compare with '0', or write row.Qty | int"),
            ("0 != row.Qty", "'row.Qty' is a text, never 0; compare with '0', or write row.Qty | int"),
            (
                "row.Qty not in [0, 1]",
                "'row.Qty' is a text, never 0; compare with '0', or write row.Qty | int",
            ),
            (
                "row.Published != false",
                "'row.Published' is a text, never false; write a text, as in row.Published == 'TRUE'",
            ),
            (
                "row.Published and row.url != ''",
                (
                    "the text 'FALSE' is not empty, so it counts as true; "
                    "write \"{{ row.Published == 'TRUE' }}\""
                ),
            ),
            (
                "row.Qty and row.url != ''",
                "the text '0' is not empty, so it counts as true; write \"{{ row.Qty | int > 0 }}\"",
            ),
            (
                "row.Published == 'TRUE' or 'yes'",
                "'yes' stands alone, so it counts as true; compare it too, or write a list: in ['…', 'yes']",
            ),
            (
                "row.Qty == '3' or 0",
                "0 stands alone, so it counts as false; compare it too, or write a list: in ['…', 0]",
            ),
        ],
    )
    def test_test_that_cells_cannot_pass_or_fail_is_a_warning(
        self, project: Project, where: str, message: str
    ) -> None:
        project.write("rows.csv", self.FLAGS)
        campaign = project.load(IMAGES.replace("rows.csv", f'rows.csv, where: "{{{{ {where} }}}}"'))
        assert [each.message for each in campaign.warnings if "where" in each.path] == [message]

    @pytest.mark.parametrize(
        "where",
        [
            "row.Qty | int != 0",
            "row.Qty | default(0) | int == 3",
            "row.Published == 'TRUE' or row.Qty == '3'",
            "row.Published in ['TRUE', 'yes']",
            "(row.Published or 'TRUE') == 'TRUE'",
            "not row.Qty == 'x == 5'",
            "row.url and row.Qty == '3'",
        ],
    )
    def test_sensible_test_of_cells_gives_no_warning(self, project: Project, where: str) -> None:
        project.write("rows.csv", self.FLAGS)
        campaign = project.load(IMAGES.replace("rows.csv", f'rows.csv, where: "{{{{ {where} }}}}"'))
        assert not [each for each in campaign.warnings if "where" in each.path]

    def test_number_after_a_filter_gets_no_hint(self, project: Project) -> None:
        said = told(project, self.FLAGS, ', where: "{{ row.Qty | int == 7 }}"')
        assert said.endswith("'where' matches none of the 2 rows")

    def test_only_row_is_called_that(self, project: Project) -> None:
        said = told(project, "id,url\na,https://a.example/a.png\n", ", where: \"{{ row.id == 'b' }}\"")
        assert said.endswith("'where' does not match the table's only row")

    def test_plain_text_is_rejected(self, project: Project) -> None:
        said = told(project, self.TABLE, ", where: row.url")
        assert said.endswith(': this is plain text, not an expression; write "{{ row.url }}"')

    def test_blanks_around_the_expression_do_not_count(self, project: Project) -> None:
        assert "'where' matches none" in told(project, self.TABLE, ', where: " {{ false }} "')

    def test_cell_that_looks_false_and_counts_as_true_is_a_warning(self, project: Project) -> None:
        project.write(
            "rows.csv", "url,Published\nhttps://a.example/a.png,TRUE\nhttps://a.example/b.png,FALSE\n"
        )
        campaign = project.load(IMAGES.replace("rows.csv", 'rows.csv, where: "{{ row.Published }}"'))
        assert [str(each) for each in campaign.warnings if "where" in each.path] == [
            (
                "campaign.yaml:4:44: image_sets.shoes.where: the text 'FALSE' is not empty, so it counts as true; "
                "write \"{{ row.Published == 'TRUE' }}\""
            )
        ]

    def test_syntax_error_is_reported_once_without_the_rows(self, project: Project) -> None:
        said = told(project, self.TABLE, ', where: "{{ row.id == }}"')
        assert said.startswith("campaign.yaml:4:44: image_sets.shoes.where: ")
        assert "\n" not in said

    def test_filter_that_leaves_nothing_is_an_error(self, project: Project) -> None:
        said = told(project, self.TABLE, ", where: \"{{ row.id == 'x' }}\"")
        assert said == "campaign.yaml:4:44: image_sets.shoes.where: 'where' matches none of the 3 rows"


class TestPrompts:
    TABLE = (
        'name,prompt,negative,Price\nwalk,{{ image.id }} walks,rain,5\ndance,"it dances, {{ season }}",,\n'
    )
    TEXT = (
        "vars: {season: spring}\n"
        "image_sets: {shoes: ['https://cdn.example.com/red.png']}\n"
        "prompts:\n  - {id: stand, text: it stands}\n  - {csv: p.csv, columns: {id: name, text: prompt}}\n"
        "  - {id: file, file: f.j2}\n"
    )

    def test_list_may_mix_texts_files_and_tables(self, project: Project) -> None:
        project.write("p.csv", self.TABLE)
        project.write("f.j2", "from a file\n")
        jobs = project.jobs(OPTIONS.replace("OPTION", "{{ prompt }}") + self.TEXT)
        assert {job.key.split("/")[-1]: job.request.options["o"] for job in jobs} == {
            "stand": "it stands",
            "walk": "red walks",
            "dance": "it dances, spring",
            "file": "from a file",
        }

    def test_other_columns_are_vars_of_the_prompt(self, project: Project) -> None:
        project.write("p.csv", self.TABLE)
        project.write("f.j2", "from a file\n")
        option = (
            "{{ prompt.name }}:{{ prompt.vars.negative|default(''-'') }}:{{ prompt.vars.Price|default(0) }}"
        )
        jobs = project.jobs(OPTIONS.replace("OPTION", option) + self.TEXT)
        assert [job.request.options["o"] for job in jobs] == [
            "stand:-:0",
            "walk:rain:5",
            "dance:-:0",
            "file:-:0",
        ]

    def test_rules_select_table_prompts_by_name(self, project: Project) -> None:
        project.write("p.csv", self.TABLE)
        project.write("f.j2", "x")
        text = (
            ANYTHING + self.TEXT + "jobs: [{id: hero, prompts: [walk, 'd*'], exclude: [{prompt: dance}]}]\n"
        )
        assert project.keys(text) == ["hero/any/red/walk"]

    def test_error_in_a_text_is_reported_at_its_cell(self, project: Project) -> None:
        project.write("p.csv", 'id,text\na,fine\nb,"so\nfine"\nc,{{ seasn }}\nd,{{ 1 +\n')
        text = OPTIONS.replace("OPTION", "{{ prompt }}") + "prompts: [{csv: p.csv}]\n"
        problems = project.problems("vars: {season: x}\n" + text)
        positions = [str(problem.position) for problem in problems if problem.severity == "error"]
        assert positions == ["p.csv:5:3", "p.csv:6:3"]

    @pytest.mark.parametrize(
        ("table", "said"),
        [
            ("id,text\n,x\n", "p.csv:2:1: the row has no id: 'id' is empty"),
            (
                "id,text\na,x\na,y\n",
                "p.csv:3:1: two rows have the id 'a' but differ; the first is in line 2",
            ),
            ("id,prompt\na,x\n", "there is no column 'text'; name the one to use: 'columns: {text: …}'"),
            ("name,text\na,x\n", "there is no column 'id'"),
            ("id,text\nstand,x\n", "two prompts are called 'stand'; the first is at campaign.yaml:4:29"),
            (f"id,text\na,{'x' * 70_000}\n", "p.csv:2:3: a text of 70,000 characters"),
        ],
    )
    def test_invalid_prompt_table_is_explained(self, project: Project, table: str, said: str) -> None:
        project.write("p.csv", table)
        assert said in project.messages(ANYTHING + "prompts: [{id: stand, text: x}, {csv: p.csv}]\n")

    def test_repeated_row_counts_once(self, project: Project) -> None:
        project.write("p.csv", "id,text\na,x\na,x\n")
        assert project.keys(ANYTHING + "prompts: [{csv: p.csv}]\n") == ["main/any/a"]

    @pytest.mark.parametrize(
        ("entry", "said"),
        [
            ("{text: x}", "prompts[0]: missing key 'id'"),
            ("{id: a}", "prompts[0]: missing key"),
            ("{id: a, text: x, file: y}", "prompts[0]"),
            ("{id: a, csv: p.csv}", "prompts[0]"),
            ("walk", "prompts[0]: expected a mapping"),
        ],
    )
    def test_entry_of_another_form_is_rejected(self, project: Project, entry: str, said: str) -> None:
        assert said in project.messages(ANYTHING + f"prompts: [{entry}]\n")

    def test_list_replaces_the_prompts_of_a_base(self, project: Project) -> None:
        project.write("base.yaml", "version: 1\nprompts: {walk: x}\n" + ANYTHING)
        assert project.keys("extends: base.yaml\nprompts: [{id: run, text: y}]\n") == ["main/any/run"]

    def test_table_is_relative_to_the_base_that_names_it(self, project: Project) -> None:
        project.write("common/base.yaml", "version: 1\nprompts: [{csv: p.csv}]\n" + ANYTHING)
        project.write("common/p.csv", "id,text\na,x\n")
        assert project.keys("extends: common/base.yaml\n") == ["main/any/a"]


class TestAxes:
    TABLE = "name;positive;negative\nnoir;black and white;\n07;bright, sunny;rain\n"
    RULE = "jobs: [{id: hero, matrix: {n: [1], style: {csv: s.csv, columns: {id: name}}}MORE}]\n"

    def text(self, option: str = "{{ style }}", more: str = "") -> str:
        quoted = option.replace("'", "''")
        return OPTIONS.replace("OPTION", quoted) + self.RULE.replace("MORE", more)

    def test_each_row_is_a_value_with_its_id_and_vars(self, project: Project) -> None:
        project.write("s.csv", self.TABLE)
        option = (
            "{{ style }}/{{ style.id }}/{{ style.vars.positive }}/{{ style.vars.negative | default('-') }}"
        )
        jobs = project.jobs(self.text(option))
        assert {job.key: job.request.options["o"] for job in jobs} == {
            "hero/any/n=1/style=noir": "noir/noir/black and white/-",
            "hero/any/n=1/style=07": "07/07/bright, sunny/rain",
        }

    def test_value_is_a_plain_string_when_used_whole(self, project: Project) -> None:
        project.write("s.csv", self.TABLE)
        jobs = project.jobs(self.text())
        assert [job.request.options["o"] for job in jobs] == ["noir", "07"]
        assert {type(job.request.options["o"]) for job in jobs} == {str}
        values = [dict(job.coordinates.axes)["style"] for job in jobs]
        assert values == ["noir", "07"]
        for value in (pickle.loads(pickle.dumps(values[0])), copy.deepcopy(values[0])):
            assert value == "noir"

    @pytest.mark.parametrize(
        ("more", "keys"),
        [
            (", exclude: [{style: noir}]", ["hero/any/n=1/style=07"]),
            (", exclude: [{style: '07', n: 1}]", ["hero/any/n=1/style=noir"]),
            (", when: \"{{ style == 'noir' }}\"", ["hero/any/n=1/style=noir"]),
            (', when: "{{ style.vars.negative is defined }}"', ["hero/any/n=1/style=07"]),
            (", when: false, include: [{style: noir, n: 2}]", ["hero/any/n=2/style=noir"]),
        ],
    )
    def test_rows_and_conditions_compare_the_id(self, project: Project, more: str, keys: list[str]) -> None:
        project.write("s.csv", self.TABLE)
        assert project.keys(self.text(more=more)) == keys

    def test_number_in_place_of_a_rows_id_is_told_to_be_one(self, project: Project) -> None:
        project.write("s.csv", "name,positive,negative\n7,a,b\n")
        told = project.messages(self.text(more=", include: [{style: 7, n: 2}]"))
        assert (
            """include[0].style: expected the name of a row of 'style', which is a text; write "7\"""" in told
        )

    def test_included_row_has_its_vars(self, project: Project) -> None:
        project.write("s.csv", self.TABLE)
        (job,) = project.jobs(
            self.text("{{ style.vars.positive }}", ", when: false, include: [{style: noir, n: 2}]")
        )
        assert job.request.options == {"o": "black and white"}

    def test_value_without_a_row_cannot_be_included(self, project: Project) -> None:
        project.write("s.csv", self.TABLE)
        told = project.messages(self.text(more=", include: [{style: noirr, n: 2}]"))
        assert "jobs[0].include[0].style: there is no row of 'style' 'noirr'; did you mean 'noir'?" in told

    def test_rendered_text_determines_the_fingerprint(self, project: Project) -> None:
        project.write("s.csv", self.TABLE)
        before = project.jobs(self.text("{{ style.vars.positive }}"))
        project.write("s.csv", self.TABLE.replace("07;", "sun;").replace(";rain", ";snow"))
        after = project.jobs(self.text("{{ style.vars.positive }}"))
        assert [job.fingerprint for job in before] == [job.fingerprint for job in after]
        assert before[1].key != after[1].key

    def test_chained_items_have_the_axis_vars(self, project: Project) -> None:
        project.write("s.csv", self.TABLE)
        text = (
            "templates:\n  one: {template_id: new}\n"
            "  two: {template_id: newer, options: {o: '{{ image.id }} {{ image.vars.style.vars.positive }}'}}\n"
            "image_sets: {ones: {outputs_of: one}}\n"
            "jobs:\n  - {id: one, templates: [one], image_sets: [], matrix: MATRIX}\n"
            "  - {id: two, templates: [two]}\n"
        )
        text = text.replace("MATRIX", "{style: {csv: s.csv, columns: {id: name}}}")
        assert project.jobs(text)[-1].request.options == {"o": "07 bright, sunny"}

    @pytest.mark.parametrize(
        ("table", "said"),
        [
            ("name\n\n", "the table has no rows"),
            ("name,x\n,y\n", "the row has no id: 'name' is empty"),
            ("name,x\na,1\na,2\n", "two rows have the id 'a'"),
            (
                "nme,x\na,1\n",
                "jobs[0].matrix.style.columns.id: s.csv has no column 'name'; did you mean 'nme'?",
            ),
        ],
    )
    def test_invalid_axis_table_is_explained(self, project: Project, table: str, said: str) -> None:
        project.write("s.csv", table)
        assert said in project.messages(self.text())

    def test_missing_table_is_reported(self, project: Project) -> None:
        assert "jobs[0].matrix.style.csv: there is no such file: s.csv" in project.messages(self.text())

    def test_where_filters_the_rows(self, project: Project) -> None:
        project.write("s.csv", self.TABLE)
        text = self.text().replace("{id: name}", "{id: name}, where: '{{ row.negative }}'")
        assert project.keys(text) == ["hero/any/n=1/style=07"]


CELLS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff\ufffe\uffff"),
    max_size=8,
)


@given(
    rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=4),
    separator=st.sampled_from(SEPARATORS),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    bom=st.sampled_from(["", "\ufeff"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_spreadsheet_exports_are_read(
    rows: list[list[str]], separator: str, end: str, bom: str, quoting: Literal[0, 1]
) -> None:
    header = ["id", "two", "three", "four"]
    written = io.StringIO()
    csv.writer(written, delimiter=separator, lineterminator=end, quoting=quoting).writerows([header, *rows])
    name = Path("rows.csv")
    source = decode(f"{bom}{written.getvalue()}".encode(), name, name.name)

    table, problems = read_csv(source, None, {"id"})

    assert [each for each in problems if each.severity == "error"] == []
    assert table.columns == tuple(header)
    assert [record.cells for record in table.records] == [
        tuple(row) for row in rows if any(map(str.strip, row))
    ]


def test_control_character_hides_no_other_problem(project: Project) -> None:
    project.write(
        "shoes.csv",
        "id,url,note\na,https://a.example/1.png,x\x01y\na,https://a.example/2.png,z\n,ftp://x,z,9\n",
    )
    found = [
        str(each)
        for each in project.problems(ANYTHING + "image_sets: {shoes: {csv: shoes.csv}}\n")
        if each.severity == "error"
    ]
    assert [each[: each.index(",")] if "4 cells" in each else each for each in found] == [
        "shoes.csv:2:28: a control character (U+0001) that a text cannot hold; delete it",
        "shoes.csv:3:1: two rows have the id 'a' but differ; the first is in line 2",
        "shoes.csv:4:1: 4 cells",
    ]


SHORT = "a sentence, and another"


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        # One quote at the beginning of a cell, and one at the end of another, in a later row.
        ([r'x_"Open mug_1.png', "y_plate_2.png", 'z_cup 12"_3.png'], 2),
        ([r'x_"Open mug_1.png', 'z_cup 12"_3.png'], 2),
        (["w_a bowl_0.png", r'"x_Open mug_1.png', "y_plate_2.png", '12"_cup_3.png'], 3),
        (['v_"two\nlines"_0.png', r'x_"Open mug_1.png', 'z_cup 12"_3.png'], 4),
        (['x_"two\nlines"_1.png', 'y_"three\n\nlines"_2.png'], None),
        ([f'x_"{SHORT}\n{SHORT}, {SHORT}\n{SHORT}"_1.png', "y_plate_2.png"], None),
        ([f'x_1.png_"{SHORT}\n\n{SHORT}, {SHORT}"', "y_2.png_a plate"], None),
        ([f'x_1.png_"<p>{SHORT}</p>\n<p>{SHORT}</p>"', "y_2.png_a plate"], None),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_rows_swallowed_by_a_quote_are_told(rows: list[str], line: int | None, separator: str) -> None:
    text = "".join(f"{row.replace('_', separator)}\n" for row in ["id_title_image", *rows])
    source = decode(text.encode(), Path("rows.csv"), "rows.csv")

    _, problems = read_csv(source, None, {"id"})

    assert [(each.severity, each.position and each.position.line) for each in problems] == (
        [] if line is None else [("warning", line)]
    )
    assert all("holds what looks like rows" in each.message for each in problems)


def test_cell_may_be_as_long_as_the_file() -> None:
    long = "x" * 3_000_000
    source = decode(f'id,text\na,"{long}"\n'.encode(), Path("rows.csv"), "rows.csv")

    table, problems = read_csv(source, None, {"id"})

    assert problems == []
    assert table.records[0].cells == ("a", long)


def test_equal_cells_share_one_string() -> None:
    # A table of a hundred thousand rows repeats its colours and categories, which are kept in memory once.
    content = b"id,colour\na,spring green\nb,spring green\n"
    source = decode(content, Path("rows.csv"), "rows.csv")

    table, _ = read_csv(source, None, {"id"})

    first, second = table.records
    assert first.cells[1] is second.cells[1]


@given(
    st.binary(max_size=60) | st.text(alphabet='path,url\n"\r;\thttps://x.png', max_size=60).map(str.encode)
)
def test_no_content_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("rows")
    (folder / "rows.csv").write_bytes(content)
    manifest = folder / "campaign.yaml"
    manifest.write_text(
        HEAD + IMAGES + "prompts: [{csv: rows.csv, columns: {text: path}}]\n"
        "jobs: [{id: hero, matrix: {axis: {csv: rows.csv, columns: {id: url}}}}]\n"
    )
    assert _is_taken_or_told(manifest)
    manifest.write_text(HEAD + IMAGES)
    assert _is_taken_or_told(manifest)


def _is_taken_or_told(manifest: Path) -> bool:
    try:
        return bool(list(expand(load(manifest))))
    except InvalidInput as error:
        return all(problem.position is not None for problem in error.problems)
