"""Decompresses bodies that were compressed without being requested: some proxies compress whatever they pass on."""

import zlib
from collections.abc import Callable, Iterable, Iterator

from pipeline.providers.http.errors import TransportError

# Codings that compress a body. Other names (`aws-chunked`, a charset) do not change the bytes.
_ZLIB = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_FOREIGN = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})
_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 16
# Each layer can make a thousand bytes of one, and with a third, a single block would take minutes.
_MOST_LAYERS = 2
# Complete members without content, one after another.
_MOST_EMPTY = 100
# Enough to recognize a compression, and what the callers recognize.
_LONGEST_HEAD = 64


def codings(header: str) -> list[str]:
    """The codings that a header names, in the order in which they were applied."""
    names = (name.strip().lower() for name in header.split(","))
    return [name for name in names if name not in ("", "identity")]


def is_chunked(transfer_encoding: str) -> bool:
    """Whether a body comes in chunks, which show where it ends; `gzip, chunked` is compressed before."""
    return codings(transfer_encoding)[-1:] == ["chunked"]


def coding_of(*headers: str) -> str | None:
    """The compression that these headers name, or None; several are joined in order, as in `a, b`."""
    return ", ".join(each for each in codings(",".join(headers)) if each in _ZLIB or each in _FOREIGN) or None


class Decoded:
    """The blocks of a body, decompressed as far as its `coding` is supported. They can be read once.

    Headers can be wrong, so a body that `is_plain` by its beginning is left as it is, and so is one in an unknown
    coding. `is_decompressed`: it is read decompressed; `is_packed`: what is read is still compressed, in a coding
    that is not supported here. `taken` is the number of bytes that came so far, as they were sent.
    """

    def __init__(
        self, blocks: Iterable[bytes], coding: str | None, is_plain: Callable[[bytes], bool]
    ) -> None:
        self.taken = 0
        self.is_decompressed = self.is_packed = False
        self._body = _Body(self._counted(blocks))
        for depth, name in enumerate(reversed(coding.split(", ") if coding else [])):
            if is_plain(self._body.head):
                break
            window = _window(name, self._body.head) if depth < _MOST_LAYERS else None
            if window is None:
                self.is_packed = depth == _MOST_LAYERS or name not in _ZLIB
                break
            self._body = _Body(_inflated(self._body, window))
            self.is_decompressed = True

    def _counted(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.taken += len(block)
            yield block

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks.

        Raises:
            TransportError: the body ends early, or is not validly compressed.
        """
        return iter(self._body)


class _Body:
    """Blocks, whose first bytes are read before the others: they are the `head`."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.head = b""
        self._rest = blocks
        self._failure: TransportError | None = None
        # A network may deliver any number of bytes at once, and a few of them prove nothing.
        try:
            while len(self.head) < _LONGEST_HEAD and (block := next(blocks, b"")):
                self.head += block
        except TransportError as error:
            self._failure = error

    def __iter__(self) -> Iterator[bytes]:
        if self.head:
            yield self.head
        if self._failure is not None:
            raise self._failure
        yield from self._rest


def _window(coding: str, head: bytes) -> int | None:
    if head.startswith(_GZIP):
        return _ZLIB["gzip"]
    if coding != "deflate":
        return None
    # Two formats are called deflate; one has a header, whose low half-byte is 8, and which is divisible by 31.
    has_header = len(head) > 1 and head[0] & 0x0F == 8 and int.from_bytes(head[:2]) % 31 == 0
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS


def _inflated(blocks: Iterable[bytes], wbits: int) -> Iterator[bytes]:
    try:
        yield from _members(blocks, wbits)
    except zlib.error:
        raise TransportError("its compression is broken") from None


def _members(blocks: Iterable[bytes], wbits: int) -> Iterator[bytes]:
    inflate = zlib.decompressobj(wbits)
    empty = 0
    for block in blocks:
        data = block
        while data:
            if inflate.eof:
                if _is_padding(data, wbits):
                    return
                inflate = zlib.decompressobj(wbits)
            if plain := inflate.decompress(data, _BLOCK):
                empty = 0
                yield plain
            elif inflate.eof and (empty := empty + 1) > _MOST_EMPTY:
                raise TransportError("its compression is broken")
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
