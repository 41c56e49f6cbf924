"""Reads text files: turns bytes from a stranger into text, or into a problem with its position."""

import os
import re
from pathlib import Path

from pipeline import files
from pipeline.documents.node import SourceFile
from pipeline.documents.problem_list import MAX_LISTED, listed
from pipeline.errors import InvalidInput, Position, Problem

MANIFEST_LIMIT = 2 << 20

# Tab and line feed are the only control characters that a text needs; the last two are not characters at all.
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_OURS = re.compile("^<{7}(?: |$)", re.MULTILINE)
_THEIRS = re.compile("^>{7}(?: |$)", re.MULTILINE)


_WORKBOOK = "this is a spreadsheet, not a text file; export it as CSV (UTF-8)"
_WRITING = "this is a document of a word processor, not a text file; save it as plain text (UTF-8)"
_ARCHIVE = "this is a ZIP archive, not a text file; unpack it"
_PACKED = "this is a compressed file, not a text file; unpack it"
_PICTURE = "this is an image, not a text file"
# Office files are ZIP archives; the names of the files in them are not compressed.
_IN_ARCHIVES = (
    (b"xl/workbook", _WORKBOOK),
    (b"application/vnd.oasis.opendocument.spreadsheet", _WORKBOOK),
    (b"Index/Tables/", _WORKBOOK),
    (b"word/document", _WRITING),
    (b"application/vnd.oasis.opendocument.text", _WRITING),
)
_BY_MAGIC = (
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "this is an old Office file, not a text file; a spreadsheet is exported as CSV (UTF-8)",
    ),
    (b"\x1f\x8b", _PACKED),
    (b"BZh", _PACKED),
    (b"\xfd7zXZ", _PACKED),
    (b"\x28\xb5\x2f\xfd", _PACKED),
    (b"7z\xbc\xaf\x27\x1c", _PACKED),
    (b"%PDF-", "this is a PDF, not a text file"),
    (b"\x89PNG", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"RIFF", _PICTURE),
)


def read_source(path: Path, name: str, limit: int = MANIFEST_LIMIT) -> SourceFile:
    """Read a text file of at most `limit` bytes; `name` is its name in messages.

    Raises:
        InvalidInput: missing, not a regular file, unreadable, too large, not UTF-8, or with control
            characters in it.
    """
    source = read_with_forbidden(path, name, limit)
    if problems := forbidden_characters(source):
        raise InvalidInput(problems)
    return source


def read_with_forbidden(path: Path, name: str, limit: int) -> SourceFile:
    """As `read_source`, but control characters may be left in it.

    Raises:
        InvalidInput: it cannot be read, or is no text.
    """
    try:
        content = files.read_limited(path, limit)
    except FileNotFoundError:
        raise InvalidInput(Problem("there is no such file", Position(name))) from None
    except IsADirectoryError:
        raise InvalidInput(Problem("this is a folder, expected a file", Position(name))) from None
    except OSError as error:
        # A folder, a pipe or a device can be opened, so the system gives no reason. Unlike pathlib's, this takes a
        # name that no file can have for one that is absent.
        if os.path.isdir(path):  # noqa: PTH112
            raise InvalidInput(Problem("this is a folder, expected a file", Position(name))) from None
        reason = error.strerror or "not a regular file"
        raise InvalidInput(_whole(name, f"it cannot be read: {reason}")) from None
    except files.UnfitFile as error:
        raise InvalidInput(_whole(name, f"this is {error}")) from None
    except ValueError as error:
        raise InvalidInput(_whole(name, f"it cannot be read: {error}")) from None
    return decode(content, path, name)


def decode(content: bytes, path: Path, name: str) -> SourceFile:
    """The text of a file's bytes, which may have some control characters in it.

    Raises:
        InvalidInput: not UTF-8, or with so many control characters, or such, that it is no text.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidInput(_whole(name, "this is UTF-16; save it as UTF-8"))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        if kind := _kind_of(content):
            raise InvalidInput(_whole(name, kind)) from None
        before = content[: error.start].decode("utf-8")
        source = SourceFile(path, name, _with_line_feeds(before))
        byte = content[error.start]
        message = f"this is not UTF-8 (byte 0x{byte:02X}); save the file as UTF-8"
        raise InvalidInput(source.problem_at(len(source.text), message)) from None
    source = SourceFile(path, name, _with_line_feeds(text))
    problems = forbidden_characters(source)
    if problems and (kind := _kind_of(content)):
        raise InvalidInput(_whole(name, kind))
    if len(problems) > MAX_LISTED or "\0" in source.text:
        raise InvalidInput(problems)
    return source


def forbidden_characters(source: SourceFile) -> list[Problem]:
    """A problem for each control character that no text can hold."""
    found = list(FORBIDDEN.finditer(source.text))
    first = [source.problem_at(each.start(), _forbidden(each[0])) for each in found[:MAX_LISTED]]
    return listed(first, len(found))


def _kind_of(content: bytes) -> str:
    """What a file is that is no text, and what to do; empty if that is not known."""
    if content.startswith(b"PK\x03\x04"):
        return next((text for mark, text in _IN_ARCHIVES if mark in content), _ARCHIVE)
    return next((text for magic, text in _BY_MAGIC if content.startswith(magic)), "")


def conflicts(
    source: SourceFile, hint: str = "keep one side and delete the lines <<<<<<<, =======, >>>>>>>"
) -> list[Problem]:
    """The merge conflicts that git left in a file: one problem for each, at the line where it begins."""
    if "<<<<<<<" not in source.text and ">>>>>>>" not in source.text:
        return []  # a quick test, even for a large table
    message = f"an unresolved merge conflict; {hint}"
    found = list(_OURS.finditer(source.text)) or list(_THEIRS.finditer(source.text))
    return listed([source.problem_at(each.start(), message) for each in found[:MAX_LISTED]], len(found))


def _with_line_feeds(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _forbidden(character: str) -> str:
    code = f"U+{ord(character):04X}"
    if character == "\0":
        return f"a NUL character ({code}); is this a text file?"
    if character == "\ufeff":
        return f"a byte order mark ({code}) inside the text; delete it"
    return f"a control character ({code}) that a text cannot hold; delete it"


def _whole(name: str, message: str) -> Problem:
    return Problem(message, Position(name, 1, 1))
