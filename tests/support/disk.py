"""Records what SQLite writes and syncs, and simulates what a power cut would leave of it.

The recorder is a layer around SQLite's own access to files (a VFS), made of Python functions: no compiler is needed.
"""

import _sqlite3
import ctypes
import random
from collections.abc import Callable, Iterator, Sequence
from ctypes import CFUNCTYPE, c_char_p, c_int, c_longlong, c_void_p
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

S = TypeVar("S", bound=ctypes.Structure)

_KEPT_FILES = 0x100 | 0x80000  # SQLITE_OPEN_MAIN_DB and SQLITE_OPEN_WAL

# The path as a pointer: SQLite keeps it, so it must get the original and not a pointer to a copy.
_Opens = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Deletes = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_Writes = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_longlong)
_Truncates = CFUNCTYPE(c_int, c_void_p, c_longlong)
_Syncs = CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(ctypes.Structure):
    """`struct sqlite3_vfs`."""

    _fields_ = (
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _Opens),
        ("delete", _Deletes),
        ("others", c_void_p * 14),
    )


class _Methods(ctypes.Structure):
    """`struct sqlite3_io_methods`."""

    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", _Writes),
        ("truncate", _Truncates),
        ("sync", _Syncs),
        ("others", c_void_p * 13),
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a file; for `ack`, the program was told that `name` is on disk."""

    what: str
    name: str
    offset: int = 0
    content: bytes = b""


class Recorder:
    """Once it is made, SQLite opens files through it. There can be only one in a process."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._names: dict[int, str] = {}
        self._methods: dict[int, tuple[_Methods, _Methods]] = {}
        # Python's `_sqlite3` module links SQLite, or SQLite is built into Python itself.
        library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
        assert hasattr(library, "sqlite3_vfs_find"), "this Python hides its SQLite: nothing can be recorded"
        library.sqlite3_vfs_find.restype = c_void_p
        original = library.sqlite3_vfs_find(None)
        self._original = _Vfs.from_address(original)
        self._vfs = _copy_of(original, _Vfs)
        self._vfs.name = b"recorded"
        self._vfs.open = _Opens(self._open)
        self._vfs.delete = _Deletes(self._delete)
        # The functions that replace those of the files; they must live as long as SQLite has pointers to them.
        self._stand_ins = (_Writes(self._write), _Truncates(self._truncate), _Syncs(self._sync))
        assert library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) == 0

    def ack(self, what: str) -> None:
        """Record that the program was told that `what` is on disk."""
        self.steps.append(Step("ack", what))

    def _open(self, vfs: int, path: int | None, file: int, flags: int, flags_out: int) -> int:
        code: int = self._original.open(vfs, path, file, flags, flags_out)
        if code == 0 and path is not None and flags & _KEPT_FILES:
            self._names[file] = Path(ctypes.string_at(path).decode()).name
            self.steps.append(Step("open", self._names[file]))
            pointer = c_void_p.from_address(file)
            if pointer.value not in {ctypes.addressof(ours) for _, ours in self._methods.values()}:
                pointer.value = self._watched(pointer.value or 0)
        return code

    def _watched(self, methods: int) -> int:
        if methods not in self._methods:
            ours = _copy_of(methods, _Methods)
            ours.write, ours.truncate, ours.sync = self._stand_ins
            self._methods[methods] = (_Methods.from_address(methods), ours)
        return ctypes.addressof(self._methods[methods][1])

    def _true(self, file: int) -> _Methods:
        ours = c_void_p.from_address(file).value
        return next(true for true, copy in self._methods.values() if ctypes.addressof(copy) == ours)

    def _delete(self, vfs: int, path: bytes, durably: int) -> int:
        self.steps.append(Step("delete", Path(path.decode()).name))
        return int(self._original.delete(vfs, path, durably))

    def _write(self, file: int, content: int, size: int, offset: int) -> int:
        self.steps.append(Step("write", self._names[file], offset, ctypes.string_at(content, size)))
        return int(self._true(file).write(file, content, size, offset))

    def _truncate(self, file: int, size: int) -> int:
        self.steps.append(Step("truncate", self._names[file], size))
        return int(self._true(file).truncate(file, size))

    def _sync(self, file: int, flags: int) -> int:
        code = int(self._true(file).sync(file, flags))
        self.steps.append(Step("sync", self._names[file]))
        return code


def _copy_of(address: int, kind: type[S]) -> S:
    return kind.from_buffer_copy(ctypes.string_at(address, ctypes.sizeof(kind)))


@dataclass
class _File:
    """One file: its durable content, and the writes not yet synced. None: it does not exist."""

    durable: bytearray | None
    pending: list[Step] = field(default_factory=list)

    def left(self, kept: Sequence[Step]) -> bytes | None:
        """The content after a power cut, if of the pending steps only `kept` had reached the disk."""
        content = None if self.durable is None else bytearray(self.durable)
        for step in kept:
            content = _after(content, step)
        return None if content is None else bytes(content)


def _after(content: bytearray | None, step: Step) -> bytearray | None:
    if step.what == "delete":
        return None
    content = bytearray() if content is None else content
    if step.what == "write":
        content.extend(bytes(max(0, step.offset - len(content))))
        content[step.offset : step.offset + len(step.content)] = step.content
    elif step.what == "truncate":
        del content[step.offset :]
    return content


class Platter:
    """The files on disk as steps are replayed; `files` is the initial content."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = {name: _File(bytearray(content)) for name, content in files.items()}

    def take(self, step: Step) -> None:
        """Apply the next step. A sync makes all pending writes of that file durable."""
        file = self._files.setdefault(step.name, _File(None))
        if step.what in {"write", "truncate", "delete"}:
            file.pending.append(step)
            return
        if step.what == "open" and not any(each.what == "delete" for each in file.pending):
            file.durable = bytearray() if file.durable is None else file.durable
            return
        # That includes the name of a recreated file, which replaces the deleted one.
        for each in file.pending:
            file.durable = _after(file.durable, each)
        file.durable = bytearray() if file.durable is None else file.durable
        file.pending.clear()

    def cut(self, rng: random.Random) -> Iterator[dict[str, bytes]]:
        """What a power cut may leave now: none of the pending writes, all of them, or some in any order."""
        yield self._left(lambda _: [])
        yield self._left(list)
        yield self._left(lambda pending: rng.sample(pending, rng.randint(0, len(pending))))

    def _left(self, choose: Callable[[Sequence[Step]], Sequence[Step]]) -> dict[str, bytes]:
        left = {name: file.left(choose(file.pending)) for name, file in self._files.items()}
        return {name: content for name, content in left.items() if content is not None}
