"""What Streamlit's own store of uploads keeps, and when it refuses more."""

from collections.abc import Iterator

import pytest
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartParser
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from streamlit_ui import kept_uploads


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryUploadedFileManager]:
    for name in ("add_file", "remove_session_files"):
        monkeypatch.setattr(MemoryUploadedFileManager, name, getattr(MemoryUploadedFileManager, name))
    for parser in (FormParser, MultiPartParser):
        monkeypatch.setattr(parser, "parse", parser.parse)
    kept_uploads.install()
    yield MemoryUploadedFileManager("/_stcore/upload_file")
    kept_uploads._uploaded.clear()


def add(manager: MemoryUploadedFileManager, number: int, size: int = 10, session: str = "one") -> None:
    manager.add_file(session, UploadedFileRec(str(number), "1.png", "image/png", bytes(size)))


def kept(manager: MemoryUploadedFileManager, session: str = "one") -> list[str]:
    return [file.file_id for file in manager.get_files(session, [str(number) for number in range(200)])]


def test_only_the_newest_files_are_kept(manager: MemoryUploadedFileManager) -> None:
    for number in range(5):
        add(manager, number)
    assert kept(manager) == ["3", "4"]


def test_a_session_may_upload_so_many_files(manager: MemoryUploadedFileManager) -> None:
    for number in range(kept_uploads.MOST_FILES):
        add(manager, number)
    with pytest.raises(HTTPException) as refused:
        add(manager, 150)
    said = "That was too many files; please reload the page."
    assert (refused.value.status_code, refused.value.detail) == (429, said)
    add(manager, 0, session="another")
    manager.remove_session_files("one")
    add(manager, 0)


def test_a_session_may_upload_so_many_bytes(
    manager: MemoryUploadedFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_uploads, "MOST_BYTES", 1000)
    add(manager, 0, 600)
    with pytest.raises(HTTPException) as refused:
        add(manager, 1, 600)
    assert refused.value.status_code == 429


def test_all_sessions_together_keep_so_many_bytes(
    manager: MemoryUploadedFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_uploads, "MOST_BYTES_OF_ALL", 1000)
    add(manager, 0, 600)
    with pytest.raises(HTTPException) as refused:
        add(manager, 0, 600, session="another")
    assert refused.value.status_code == 503
    manager.remove_session_files("one")
    add(manager, 0, 600, session="another")
