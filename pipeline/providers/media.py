"""Detects the media type of a file from its first bytes: the type that a server states proves nothing."""

import codecs
import json
import re
import unicodedata
from pathlib import PurePosixPath

UNKNOWN = "application/octet-stream"
LONGEST_SIGNATURE = 64

_FAMILIES = frozenset({"image", "video", "audio"})
# The types that stores send if they were given none.
_VAGUE = frozenset(
    {
        *(
            "",
            UNKNOWN,
            "binary/octet-stream",
            "application/binary",
            "application/x-binary",
            "multipart/form-data",
        ),
        *("application/force-download", "application/download", "application/x-download", "unknown/unknown"),
    }
)

# The types of error pages and error reports.
_PAGE = re.compile(r"text/html|application/(xhtml\+xml|json|[a-z.-]+\+json)")
# Their beginning, in any encoding that extends ASCII; no kind of media begins so.
_MARKUP = re.compile(
    rb"\s*(?:<!doctype\b|<!--|<\?xml\b|<(?:html|head|body|title|meta|center|div|h[1-6]|p|pre|error)[\s>]|[\[{]\s*[\"{])",
    re.IGNORECASE,
)
_SVG = re.compile(r"\s*<(?:svg\b|\?xml\b|!--|!doctype svg\b)", re.IGNORECASE)
# Headers of plain text before the pixels: the kind, then a comment or the width.
_PIXELS = re.compile(rb"P[1-7]\s(?:#|[0-9]+\s|WIDTH )")
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")

_BY_SUFFIX = {
    ".aac": "audio/aac",
    ".avi": "video/x-msvideo",
    ".avif": "image/avif",
    ".flac": "audio/flac",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".m4a": "audio/mp4",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webp": "image/webp",
}

_ALIASES = {
    "application/mp4": "video/mp4",
    "application/ogg": "audio/ogg",
    "application/x-mp4": "video/mp4",
    "audio/aacp": "audio/aac",
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-aac": "audio/aac",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "video/avi": "video/x-msvideo",
    "video/matroska": "video/x-matroska",
    "video/x-m4v": "video/mp4",
}

_BY_BRAND = {
    **dict.fromkeys((b"qt  ",), ("video/quicktime",)),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), ("audio/mp4",)),
    **dict.fromkeys((b"avif", b"avis"), ("image/avif",)),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc"), ("image/heic",)),
    **dict.fromkeys((b"mif1", b"msf1"), ("image/heif", "image/heic", "image/avif")),
    **dict.fromkeys((b"3gp4", b"3gp5", b"3gp6", b"3gg6"), ("video/3gpp", "audio/3gpp", "video/mp4")),
}
# Sounds that may begin with an ID3 tag; most of those that do are MPEG audio.
_TAGGED = ("audio/mpeg", "audio/aac", "audio/flac")
_ID3 = (b"ID3\x02", b"ID3\x03", b"ID3\x04")
_MP4 = ("video/mp4", "audio/mp4", "video/3gpp")
_ASF = b"0&\xb2u\x8ef\xcf\x11"
# Videos of old cameras may begin without the box that names their type.
_BOXES = frozenset({b"wide", b"mdat", b"moov", b"free", b"skip", b"pnot"})
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_PORTABLE = tuple(f"image/x-portable-{kind}" for kind in ("bitmap", "graymap", "pixmap", "arbitrarymap"))
_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"fLaC", "audio/flac"),
    (b"MThd", "audio/midi"),
    (b"#!AMR", "audio/amr"),
    (b"FLV\x01", "video/x-flv"),
    (b"\0\0\x01\xba", "video/mpeg"),
    (b"\0\0\x01\xb3", "video/mpeg"),
)


def content_type_of(path: str) -> str:
    """The type for the suffix of a path or url; `UNKNOWN` if there is none."""
    return _BY_SUFFIX.get(PurePosixPath(path).suffix.lower(), UNKNOWN)


def is_vague(content_type: str) -> bool:
    """Whether a type says nothing, or is malformed and so must not be recorded, shown or made into a suffix."""
    return content_type in _VAGUE or not _TYPE.fullmatch(content_type)


def sniffed(head: bytes, declared: str) -> str | None:
    """The type of a file that begins with `head`; None if it is not an image, video or sound of a known kind.

    `declared` only decides between the types that one container format can have.
    """
    found = _signatures(head)
    declared = _ALIASES.get(declared, declared)
    return declared if declared in found else next(iter(found), None)


def type_of(head: bytes, declared: str, served: str) -> str | None:
    """The type of a file that begins with `head`; None if it is text instead of media.

    A type recognized from the bytes takes precedence, then the `declared` type, then the type that the server
    `served`. A text in place of media, such as an error page, has none of them.
    """
    known = sniffed(head, served if is_vague(declared) else declared)
    if known is not None:
        return known
    text = _text(head, is_certain=served.startswith("text/"))
    if text is not None and is_vague(declared) and served == "image/svg+xml" and _SVG.match(text):
        return served
    if text is not None and _is_unlike_text(text, declared):
        return None
    if _PAGE.fullmatch(served) and (is_vague(declared) or _is_media(declared)):
        return None
    if text is not None and declared == "text/plain":
        return declared
    known = next(
        (each for each in (declared, served) if not is_vague(each) and each != "text/plain"), UNKNOWN
    )
    return _ALIASES.get(known, known)


def _text(head: bytes, *, is_certain: bool = False) -> str | None:
    """The text that a file which begins with `head` contains, in any common encoding; None if it is not text.

    `is_certain`: the server calls it text, so it may be in an encoding that is not known, as markup may.
    """
    is_certain = is_certain or _MARKUP.match(head) is not None
    # Some encodings switch between alphabets with an escape.
    allowed = "\t\r\n\f\x1b" if is_certain else "\t\r\n\f"
    detected = json.detect_encoding(head)
    for encoding in (detected, "latin-1"):
        try:
            # The end of `head` may cut a character.
            text = codecs.getincrementaldecoder(encoding)().decode(head)
        except UnicodeDecodeError:
            continue
        is_plain = not any(character < " " and character not in allowed for character in text)
        if is_plain and (is_certain or _is_likely(text, encoding)):
            return text
    return None


def _is_likely(text: str, encoding: str) -> bool:
    """Whether `text` was text before it was decoded: almost any bytes can be decoded in most encodings."""
    if encoding.startswith("utf-8"):
        return True
    if encoding in {"utf-16", "utf-32"} and not any(map(_is_unassigned, text)):
        return True  # it begins with a byte order mark
    # Letters of markup or English.
    return 2 * sum(map(str.isascii, text)) >= len(text)


def _is_unassigned(character: str) -> bool:
    return unicodedata.category(character) in {"Cn", "Co"}


def _is_media(declared: str) -> bool:
    family, _, kind = declared.partition("/")
    return family in _FAMILIES and "xml" not in kind and "mpegurl" not in kind


def _is_unlike_text(text: str, declared: str) -> bool:
    """Whether text is not expected; without a declared type, an HTML page or JSON is taken for an error report."""
    if is_vague(declared):
        return text.lstrip("\ufeff \t\r\n").startswith(("<", "{", "["))
    return _is_media(declared)


def _signatures(head: bytes) -> tuple[str, ...]:
    """The types that a file with this beginning may have, the usual one first."""
    for start, content_type in _STARTS:
        if head.startswith(start):
            return (content_type,)
    if head.startswith(_ID3):
        return _behind_tag(head)
    if head[4:8] == b"ftyp":
        return _BY_BRAND.get(head[8:12], _MP4)
    if head[4:8] in _BOXES and _text(head) is None:  # they are also words
        return ("video/quicktime", *_MP4)
    return _of_containers(head)


def _of_containers(head: bytes) -> tuple[str, ...]:
    match head[:4]:
        case b"RIFF" if head[8:12] in _RIFF:
            return (_RIFF[head[8:12]],)
        case b"FORM" if head[8:12] in (b"AIFF", b"AIFC"):
            return ("audio/aiff",)
        case b"OggS":
            return ("video/ogg",) if b"\x80theora" in head else ("audio/ogg", "video/ogg", "audio/opus")
        case b"\x1aE\xdf\xa3":
            webm, matroska = ("video/webm", "audio/webm"), ("video/x-matroska", "audio/x-matroska")
            if b"webm" in head:
                return webm
            return matroska if b"matroska" in head else (*matroska, *webm)
        case b"YUV4" if head.startswith(b"YUV4MPEG2 "):
            return ("video/x-yuv4mpeg",)
        case _ if head.startswith(_ASF):
            return ("video/x-ms-wmv", "audio/x-ms-wma", "video/x-ms-asf")
        case _ if _PIXELS.match(head):
            return ("image/x-portable-anymap", *_PORTABLE)
        case _ if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
            return ("image/bmp",)
        case _ if _is_adts(head):
            return ("audio/aac",)
        case _ if _is_mpeg_audio(head):
            return ("audio/mpeg",)
        case _:
            return ()


def _behind_tag(head: bytes) -> tuple[str, ...]:
    """The types of a file that begins with an ID3 tag, by what follows the tag if that is within `head`."""
    # Seven bits of each byte count; a flag says that the tag ends as it begins, with ten bytes.
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    has_footer = len(head) > 5 and head[5] & 0x10 != 0
    return _signatures(head[10 + size + (10 if has_footer else 0) :]) or _TAGGED


def _is_adts(head: bytes) -> bool:
    # Twelve sync bits, then layer 0, which is reserved in MPEG audio, and one of thirteen sample rates.
    return len(head) >= 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 0x0F < 13


def _is_mpeg_audio(head: bytes) -> bool:
    # Eleven sync bits, then no reserved version, layer, bitrate or sample rate.
    # FF FE, which would be a protected layer I, is in practice the byte order mark of a text in UTF-16.
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0 or head[1] == 0xFE:
        return False
    is_sound = head[1] & 0x18 != 0x08 and head[1] & 0x06 != 0
    return is_sound and head[2] & 0xF0 != 0xF0 and head[2] & 0x0C != 0x0C
