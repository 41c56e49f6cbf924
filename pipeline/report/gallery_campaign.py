"""One campaign of a gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.report.data import GalleryRecords
    from pipeline.report.stills import StillCache
    from pipeline.schemes import OutputLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryCampaign:
    """One campaign of the page: its records, and the locations of its files by SHA-256.

    `shown` are the videos and images on the page, which may have a still; `signed` are, by SHA-256, links to files in
    an object store; `expendable` are the hashes of files of which a copy may be removed, as the original is there or
    was removed on purpose; `page_folder` is the default folder of its page; `unnameable` are paths of files that
    the page lacks, as this locale cannot name them, and `pointers` those at which Git LFS left a pointer instead.
    """

    name: str
    records: GalleryRecords
    output: OutputLocation
    page_folder: Path
    cache: StillCache
    files: Mapping[str, OutputLocation] = field(default_factory=dict)
    shown: frozenset[str] = frozenset()
    signed: Mapping[str, str] = field(default_factory=dict)
    expendable: frozenset[str] = frozenset()
    unnameable: Sequence[str] = ()
    pointers: Sequence[Path] = ()
