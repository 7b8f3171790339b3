"""Local files, folders, globs, and streams that can be read only once."""

import glob
import io
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from threading import RLock
from typing import BinaryIO, cast

from flowlens.errors import InputError
from flowlens.sources import keys
from flowlens.sources.base import Lost, Object, Window

__all__ = ["Spool", "list_local", "list_stdin", "open_local"]


class Spool:
    """A stream that can be read only once, made readable from the start many times.

    What was read is kept in a temporary file; nothing is read before somebody asks for it.

    Args:
        begin: Opens the stream; called once.
        close: Whether to close the stream at its end.
    """

    def __init__(self, begin: Callable[[], BinaryIO], *, close: bool = False) -> None:
        self._begin = begin
        self._close = close
        self._ended = False
        self._stream: BinaryIO | None = None
        self._kept: BinaryIO | None = None
        self._size = 0
        self._lock = RLock()

    def open(self) -> BinaryIO:
        """Return a new view of the stream from its beginning, with seek and tell."""
        return io.BufferedReader(_View(self))

    def at(self, position: int, length: int) -> bytes:
        """Return up to `length` bytes at `position`; empty only at the end."""
        with self._lock:
            self.reach(position + 1)
            kept = self._file()
            kept.seek(position)
            return kept.read(length)

    def reach(self, size: int | None) -> int:
        """Keep at least `size` bytes, or all of them; return how many are kept."""
        with self._lock:
            while not self._ended and (size is None or self._size < size):
                self._grow()
            return self._size

    def _grow(self) -> None:
        self._stream = self._stream or self._begin()
        # read1 returns what a pipe has now; read would wait for the whole block
        block = cast(io.BufferedReader, self._stream).read1(1 << 20)
        kept = self._file()
        kept.seek(0, io.SEEK_END)
        self._size += kept.write(block)
        self._ended = not block
        if self._ended and self._close:
            self._stream.close()

    def _file(self) -> BinaryIO:
        if self._kept is None:
            kept = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this object
            weakref.finalize(self, kept.close)
            self._kept = cast(BinaryIO, kept)
        return self._kept


class _View(io.RawIOBase):
    """One reader's place in a spool."""

    def __init__(self, spool: Spool) -> None:
        super().__init__()
        self._spool = spool
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}
        start = base[whence] if whence in base else self._spool.reach(None)
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed: Buffer
        block = self._spool.at(self._position, len(buffer))
        buffer[: len(block)] = block
        self._position += len(block)
        return len(block)


def list_stdin() -> Iterator[Object]:
    """Yield standard input as one object, named `-` as on the command line."""
    yield Object("-", Spool(lambda: sys.stdin.buffer).open)


def list_local(
    src: str, window: Window, note: Callable[[str], None] = lambda _: None
) -> Iterator[Object]:
    """Yield the files of a path or glob, sorted by path.

    A folder stands for every file below it; names that start with a dot are left out, and so are
    Delta tables, such as those of a store; all others are judged by their content.

    Args:
        src: Path of a file or folder, or a glob (`**` crosses folders).
        window: Files whose AWS name says another time are left out.
        note: Told which tables were left out.

    Raises:
        InputError: Nothing is there.
    """
    every = sorted({file for path in _roots(src) for file in _files(path)}, key=Path.as_posix)
    tables = _tables(every)
    files = [file for file in every if tables[file.parent] is None]
    left = dict.fromkeys(keys.tables(one.parent.as_posix()) for one in tables.values() if one)
    if not files:
        msg = next(iter(left), f"{src}: the folder holds no files")
        raise InputError(msg)
    for text in left:
        note(text)
    for file in files:
        name = keys.parse(file.name)
        if window.holds(name.slot) and not keys.ignored(file.name):
            yield _object(file, name)


def _roots(src: str) -> list[Path]:
    path = Path(src)
    if path.exists():
        return [path]
    if glob.has_magic(src):
        # Path.glob takes no absolute pattern
        found = [Path(name) for name in glob.glob(src, recursive=True)]  # noqa: PTH207
        if found:
            return found
        msg = f"{src}: no file matches; quote the pattern, use ** to cross folders"
        raise InputError(msg)
    msg = f"{src}: no such file or folder; AWS is s3://BUCKET/PREFIX or cloudwatch:LOG-GROUP"
    raise InputError(msg)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for file in path.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.is_file() and not hidden:
            yield file


def _tables(files: Iterable[Path]) -> dict[Path, Path | None]:
    """Return for the folder of each file which Delta table it is or is in, if any."""

    @cache
    def table(folder: Path) -> Path | None:
        if (folder / keys.LOGS).is_dir():
            return folder
        return None if folder == folder.parent else table(folder.parent)

    return {folder: table(folder) for folder in dict.fromkeys(file.parent for file in files)}


def _object(file: Path, name: keys.Name) -> Object:
    if not file.is_file():  # a pipe, as in `flowlens records <(zcat a.gz)`
        return Object(file.as_posix(), Spool(partial(open_local, file), close=True).open)
    status = file.stat()
    return Object(
        uri=file.as_posix(),
        open=partial(open_local, file),
        size=status.st_size,
        modified=datetime.fromtimestamp(status.st_mtime, UTC),
        flow_log=name.flow_log,
    )


def open_local(file: Path) -> BinaryIO:
    """Return the bytes of a file.

    Raises:
        Lost: It is gone or refused.
    """
    try:
        return file.open("rb")
    except FileNotFoundError as error:
        raise Lost(str(error), "vanished") from error
    except PermissionError as error:
        raise Lost(str(error), "denied") from error
    except OSError as error:
        raise Lost(str(error)) from error
