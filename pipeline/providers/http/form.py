"""Forms as browsers send them."""

from collections.abc import Sequence

from urllib3.filepost import encode_multipart_formdata

# A name and a text; or a name and a file's name, bytes and content type.
Field = tuple[str, str] | tuple[str, tuple[str, bytes, str]]


def multipart(fields: Sequence[Field]) -> tuple[bytes, str]:
    """The body of a `multipart/form-data` with these fields in order, and its content type.

    Raises:
        ValueError: a text that cannot be encoded.
    """
    return encode_multipart_formdata(fields)
