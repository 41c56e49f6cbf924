"""A form is what the HTTP library would make of the same fields, byte for byte."""

from hypothesis import given
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from pipeline.providers.payloads import Field, multipart

texts = st.text(st.characters(exclude_categories=["Cs"]))
files = st.tuples(texts, st.binary(), st.sampled_from(["image/png", "image/jpeg"]))


@given(st.lists(st.tuples(texts, texts) | st.tuples(texts, files)))
def test_a_form_is_what_the_library_makes_of_it(fields: list[Field]) -> None:
    content, content_type = multipart(fields)

    boundary = content_type.partition("boundary=")[2]
    assert (content, content_type) == encode_multipart_formdata(fields, boundary)


def test_each_form_has_a_boundary_of_its_own() -> None:
    assert multipart([("title", "spring")])[1] != multipart([("title", "spring")])[1]
