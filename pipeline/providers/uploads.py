"""Uploads local files that have to be urls in the create. An upload is free, and done once per hash."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from pipeline.jobs import LocalFile, Option
from pipeline.providers.base import Attachment, CallRefused, CreateRequest

Upload = Callable[[Attachment], str]


@dataclass
class Uploads:
    """The urls of the files uploaded in this run. Safe to use from many threads."""

    upload: Upload
    _urls: dict[str, str] = field(default_factory=dict)
    _busy: dict[str, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def url_of(self, attachment: Attachment) -> str:
        """The url of these bytes, which are uploaded once, even if several threads need them."""
        digest = attachment.file.sha256
        with self._lock:
            busy = self._busy.setdefault(digest, threading.Lock())
        with busy:
            if digest not in self._urls:
                self._urls[digest] = self.upload(attachment)
            return self._urls[digest]

    def with_urls(self, request: CreateRequest, *, all_urls: bool) -> CreateRequest:
        """Replace each file in a request's options by a url, and make its images all files or all urls.

        Images stay files, sent with the create, if all of them are files and `all_urls` is False.

        Raises:
            CallRefused: the bytes of a file in the options are missing.
        """
        mixed = len({isinstance(image, str) for image in request.images}) > 1
        options = {name: self._uploaded(value, request) for name, value in request.options.items()}
        return replace(
            request,
            options=options,
            images=tuple(self._urls_of(request)) if all_urls or mixed else request.images,
            attached={},
        )

    def _urls_of(self, request: CreateRequest) -> Iterator[str]:
        for image in request.images:
            yield image if isinstance(image, str) else self.url_of(image)

    def _uploaded(self, value: Option, request: CreateRequest) -> Option:
        match value:
            case LocalFile():
                attachment = request.attached.get(value.sha256)
                if attachment is None:
                    raise CallRefused(f"the bytes of {value.path} are not with the request")
                return self.url_of(attachment)
            case list():
                return [self._uploaded(item, request) for item in value]
            case dict():
                return {name: self._uploaded(item, request) for name, item in value.items()}
            case _:
                return value
