"""Decompresses bodies that were compressed without being requested: some proxies compress whatever they pass on."""

import zlib
from collections.abc import Callable, Iterable, Iterator

from pipeline.providers.http.errors import TransportError

# Codings that compress a body. Other names (`aws-chunked`, a charset) do not change the bytes.
_ZLIB = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_FOREIGN = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})
_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 16


def coding_of(header: str) -> str | None:
    """The compression that a `Content-Encoding` names, or None; several are joined in order, as in `a, b`."""
    names = [name.strip().lower() for name in header.split(",")]
    return ", ".join(name for name in names if name in _ZLIB or name in _FOREIGN) or None


def is_undone(coding: str) -> bool:
    """Whether `undone` can decompress it."""
    return coding in _ZLIB


def undone(blocks: Iterable[bytes], coding: str | None, is_plain: Callable[[bytes], bool]) -> Iterator[bytes]:
    """The blocks of a body, decompressed if its `coding` is supported.

    Headers can be wrong, so a body that `is_plain` by its first block is left as it is, and so is one in an unknown
    coding.

    Raises:
        TransportError: it ends early, or is not validly compressed.
    """
    rest = iter(blocks)
    first = next(rest, b"")
    wbits = None if is_plain(first) else _window(coding, first)
    if wbits is None:
        if first:
            yield first
        yield from rest
        return
    try:
        yield from _inflated(_chain(first, rest), wbits)
    except zlib.error:
        raise TransportError("its compression is broken") from None


def _window(coding: str | None, first: bytes) -> int | None:
    if coding is not None and first.startswith(_GZIP):
        return _ZLIB["gzip"]
    if coding != "deflate":
        return None
    # Two formats are called deflate; one has a header, whose low half-byte is 8, and which is divisible by 31.
    has_header = len(first) > 1 and first[0] & 0x0F == 8 and int.from_bytes(first[:2]) % 31 == 0
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _inflated(blocks: Iterator[bytes], wbits: int) -> Iterator[bytes]:
    inflate = zlib.decompressobj(wbits)
    for block in blocks:
        data = block
        while data:
            if inflate.eof:
                if _is_padding(data, wbits):
                    return
                inflate = zlib.decompressobj(wbits)
            if plain := inflate.decompress(data, _BLOCK):
                yield plain
            data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    while not inflate.eof and (plain := inflate.decompress(inflate.unconsumed_tail, _BLOCK)):
        yield plain
    if not inflate.eof:
        raise TransportError("the answer was cut off")


def _is_padding(data: bytes, wbits: int) -> bool:
    """Whether what follows a complete member, whose checksum was right, is not another one."""
    if wbits == _ZLIB["gzip"]:
        return not data.startswith(_GZIP[: len(data)])
    return not data.strip(b"\0\r\n")
