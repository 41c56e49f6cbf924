"""Forms as browsers send them."""

import secrets
from collections.abc import Sequence

# A name and a text; or a name and a file's name, bytes and content type.
Field = tuple[str, str] | tuple[str, tuple[str, bytes, str]]

# What would end a name.
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def multipart(fields: Sequence[Field]) -> tuple[bytes, str]:
    """The body of a `multipart/form-data` with these fields in order, and its content type.

    Raises:
        ValueError: a text that cannot be encoded.
    """
    boundary = secrets.token_hex(16)
    parts: list[bytes] = []
    for name, value in fields:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPES)}"'
        if isinstance(value, str):
            parts.append(f"{head}\r\n\r\n{value}\r\n".encode())
        else:
            file_name, content, content_type = value
            file = f'filename="{file_name.translate(_ESCAPES)}"\r\nContent-Type: {content_type}'
            parts += (f"{head}; {file}\r\n\r\n".encode(), content, b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
