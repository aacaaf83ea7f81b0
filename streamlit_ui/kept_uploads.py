"""How much a visitor may upload: Streamlit takes any number of files, and keeps all of them in memory.

A session's newest file is what the page shows; older ones go when others come. What has come of unfinished
files lies in memory, or under /tmp, which is memory in a container.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartParser
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

KEPT = 2  # files of a session, since the page may be reading the one before
MOST_FILES = 100  # of a session, ever
MOST_BYTES = 500_000_000
MOST_BYTES_OF_ALL = 200_000_000  # kept at a time, of all sessions
MOST_BYTES_UNDER_WAY = 100_000_000  # of all files that are not whole

_add, _remove = MemoryUploadedFileManager.add_file, MemoryUploadedFileManager.remove_session_files
_uploaded: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))  # files and bytes of each session
_parse: dict[type, Callable[[Any], Awaitable[FormData]]] = {
    FormParser: FormParser.parse,
    MultiPartParser: MultiPartParser.parse,
}
_under_way: dict[FormParser | MultiPartParser, int] = {}  # bytes of each body


def add_file(self: MemoryUploadedFileManager, session_id: str, file: UploadedFileRec) -> None:
    files, size = _uploaded[session_id]
    if files >= MOST_FILES or size + len(file.data) > MOST_BYTES:
        raise HTTPException(429, "That was too many files; please reload the page.")
    for old in list(self.file_storage.get(session_id, {}))[: 1 - KEPT]:
        self.remove_file(session_id, old)
    kept = sum(len(each.data) for all_of in list(self.file_storage.values()) for each in all_of.values())
    if kept + len(file.data) > MOST_BYTES_OF_ALL:
        raise later()
    _uploaded[session_id] = files + 1, size + len(file.data)
    _add(self, session_id, file)


def later() -> HTTPException:
    return HTTPException(503, "Too many files are being read; please try again.", {"Retry-After": "10"})


def remove_session_files(self: MemoryUploadedFileManager, session_id: str) -> None:
    _uploaded.pop(session_id, None)
    _remove(self, session_id)


async def parse(self: FormParser | MultiPartParser) -> FormData:
    """Starlette's own, which keeps what comes until all has come; the proxy cuts it off after 30 seconds."""
    self.stream = count(self, self.stream)
    try:
        return await _parse[type(self)](self)
    finally:
        _under_way.pop(self, None)


async def count(
    body: FormParser | MultiPartParser, chunks: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    async for chunk in chunks:
        if sum(_under_way.values()) + len(chunk) > MOST_BYTES_UNDER_WAY:
            raise later()
        _under_way[body] = _under_way.get(body, 0) + len(chunk)
        yield chunk


def install() -> None:
    FormParser.parse = MultiPartParser.parse = parse  # type: ignore[method-assign]
    MemoryUploadedFileManager.add_file = add_file  # type: ignore[method-assign]
    MemoryUploadedFileManager.remove_session_files = remove_session_files  # type: ignore[method-assign]
