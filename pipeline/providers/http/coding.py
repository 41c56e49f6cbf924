"""Decompresses bodies that were compressed without being requested: some proxies compress whatever they pass on."""

import zlib
from collections.abc import Callable, Iterable, Iterator

from pipeline.providers.http.errors import TransportError

# Codings that compress a body. Other names (`aws-chunked`, a charset) do not change the bytes.
_ZLIB = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_FOREIGN = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})
_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 16
# Enough to recognize a compression, and what the callers recognize.
_LONGEST_HEAD = 64


def coding_of(header: str) -> str | None:
    """The compression that a `Content-Encoding` names, or None; several are joined in order, as in `a, b`."""
    names = [name.strip().lower() for name in header.split(",")]
    return ", ".join(name for name in names if name in _ZLIB or name in _FOREIGN) or None


class Decoded:
    """The blocks of a body, decompressed if its `coding` is supported. They can be read once.

    Headers can be wrong, so a body that `is_plain` by its beginning is left as it is, and so is one in an unknown
    coding. `is_decompressed`: it is read decompressed; `is_packed`: it stays compressed, in a coding that is not
    supported here. `taken` is the number of bytes that came so far, as they were sent.
    """

    def __init__(
        self, blocks: Iterable[bytes], coding: str | None, is_plain: Callable[[bytes], bool]
    ) -> None:
        self.taken = 0
        self._rest = self._counted(blocks)
        self._head = b""
        self._failure: TransportError | None = None
        self._read_head()
        plain = is_plain(self._head)
        self._wbits = None if plain else _window(coding, self._head)
        self.is_decompressed = self._wbits is not None
        self.is_packed = not (plain or self.is_decompressed or coding is None or coding in _ZLIB)

    def _counted(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.taken += len(block)
            yield block

    def _read_head(self) -> None:
        # A network may deliver any number of bytes at once, and a few of them prove nothing.
        try:
            while len(self._head) < _LONGEST_HEAD and (block := next(self._rest, b"")):
                self._head += block
        except TransportError as error:
            self._failure = error

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks.

        Raises:
            TransportError: the body ends early, or is not validly compressed.
        """
        if self._wbits is None:
            yield from self._blocks()
            return
        try:
            yield from _inflated(self._blocks(), self._wbits)
        except zlib.error:
            raise TransportError("its compression is broken") from None

    def _blocks(self) -> Iterator[bytes]:
        if self._head:
            yield self._head
        if self._failure is not None:
            raise self._failure
        yield from self._rest


def _window(coding: str | None, head: bytes) -> int | None:
    if coding is not None and head.startswith(_GZIP):
        return _ZLIB["gzip"]
    if coding != "deflate":
        return None
    # Two formats are called deflate; one has a header, whose low half-byte is 8, and which is divisible by 31.
    has_header = len(head) > 1 and head[0] & 0x0F == 8 and int.from_bytes(head[:2]) % 31 == 0
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS


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
