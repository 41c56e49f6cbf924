"""Which media may come, told by their first bytes: what a server calls its files proves nothing."""

from pathlib import PurePosixPath

UNKNOWN = "application/octet-stream"
LONGEST_SIGNATURE = 64

_FAMILIES = frozenset({"image", "video", "audio"})
# What a store says that was not told what it holds.
_VAGUE = frozenset({"", UNKNOWN, "binary/octet-stream"})

_BY_SUFFIX = {
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".m4a": "audio/mp4",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webp": "image/webp",
}

# One kind of container holds several types; which of them it is, the declared type may say.
_CONTAINERS = (
    frozenset({"video/mp4", "audio/mp4", "video/quicktime"}),
    frozenset({"video/webm", "audio/webm", "video/x-matroska"}),
    frozenset({"audio/ogg", "video/ogg"}),
)

_ALIASES = {
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "image/jpg": "image/jpeg",
    "video/x-m4v": "video/mp4",
}


def content_type_of(path: str) -> str:
    """The type that the suffix of a path or url stands for; `UNKNOWN` where it stands for none."""
    return _BY_SUFFIX.get(PurePosixPath(path).suffix.lower(), UNKNOWN)


def sniffed(head: bytes, declared: str) -> str | None:
    """The type of a file that begins with `head`, None if it is none of those that may come.

    `declared` decides only between the types that one kind of container can hold.
    """
    found = _signature(head)
    declared = _ALIASES.get(declared, declared)
    for container in _CONTAINERS:
        if found in container and declared in container:
            return declared
    return found


def may_be_media(told: str) -> bool:
    """Whether a server that calls its answer `told` may be sending media; its bytes will tell."""
    return told in _VAGUE or told in ("application/mp4", "application/ogg") or _family(told) in _FAMILIES


def agrees(found: str, declared: str) -> bool:
    """Whether a file of type `found` is what was promised, as far as anything was promised."""
    return declared in _VAGUE or _family(found) == _family(declared)


def _family(content_type: str) -> str:
    return content_type.partition("/")[0]


def _signature(head: bytes) -> str | None:
    match head[:4]:
        case b"\x89PNG":
            return "image/png" if head.startswith(b"\x89PNG\r\n\x1a\n") else None
        case b"GIF8":
            return "image/gif" if head[4:6] in (b"7a", b"9a") else None
        case b"RIFF":
            return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
        case b"OggS":
            return "audio/ogg"
        case b"\x1aE\xdf\xa3":
            return "video/webm" if b"webm" in head else "video/x-matroska"
        case _ if head[4:8] == b"ftyp":
            return {b"qt  ": "video/quicktime", b"M4A ": "audio/mp4"}.get(head[8:12], "video/mp4")
        case _ if head.startswith(b"\xff\xd8\xff"):
            return "image/jpeg"
        case _ if head.startswith(b"ID3") or _is_mpeg_audio(head):
            return "audio/mpeg"
        case _:
            return None


def _is_mpeg_audio(head: bytes) -> bool:
    # Eleven bits of sync, then neither the reserved version nor the reserved layer.
    if len(head) < 2 or head[0] != 0xFF:
        return False
    return head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0 and head[1] & 0x18 != 0x08
