"""File operations that never overwrite a file by accident and never lose one."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from blur_fusion.errors import BlurError, require

CHUNK = 1 << 20
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet's formulas begin with


def sync_folder(folder: str) -> None:
    """Flush the entries of `folder` to disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def printable(text: str) -> str:
    """`text` on one line, with unprintable characters escaped."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def counted(number: int, noun: str) -> str:
    """As in "1 file" and "2 files"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@contextmanager
def os_errors(path: str | os.PathLike[str], what: str = "cannot be written") -> Iterator[None]:
    """Turn an OSError into a :class:`BlurError`: `PATH: WHAT (reason)`."""
    try:
        yield
    except OSError as error:
        raise BlurError(f"{os.fspath(path)}: {what} ({error.strerror or error})") from None


class _Part(io.FileIO):
    """An unfinished file; write errors name the file that it will become."""

    def __init__(self, part: Path, target: Path) -> None:
        self._target = target
        super().__init__(part, "wb")

    def write(self, data: Any, /) -> int:
        with os_errors(self._target):
            return super().write(data)


def _link_or_rename(part: Path, target: Path) -> None:
    """Rename `part` to the free name `target`; FileExistsError where it is taken."""
    try:
        os.link(part, target)  # unlike a rename, never replaces
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "File exists") from None
        os.replace(part, target)  # a file system without links


def require_free(path: Path, force: bool) -> None:
    """Refuse an existing file, unless `force` is set, and a missing folder."""
    require(not path.is_dir(), f"{path}: is a folder; name a file")
    free = force or not os.path.lexists(path)
    require(free, f"{path}: exists; name another file, or replace it with --force")
    require(path.parent.is_dir(), f"{path.parent}: no such folder; create it first")


@contextmanager
def write_whole(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[IO[bytes]]:
    """A binary file that appears under the name `path` only once the body ends without an error.

    After an error `path` is unchanged and nothing is left beside it. A link is followed; a device
    or pipe is written to directly. Only `force` replaces an existing file.

    BlurError before the body runs if `path` exists or its folder does not. BlurError afterwards if
    writing failed, or if somebody else created `path`; the message then says where the new file was
    kept.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        with os_errors(path), io.BufferedWriter(_Part(path, path)) as device:
            yield device
        return
    require_free(path, force)
    path = Path(os.path.realpath(path)) if force else path
    part = path.with_name(f".{path.name[:50]}.{os.getpid()}.part")
    file: IO[bytes] | None = None
    try:  # Ctrl-C may come as soon as there is a file
        with os_errors(path):
            file = io.BufferedWriter(_Part(part, path))
        yield file
        with os_errors(path):
            file.close()
            try:
                (os.replace if force else _link_or_rename)(part, path)
            except FileExistsError:
                spare = path.with_name(f"{path.name}.new-{os.getpid()}")
                os.replace(part, spare)
                raise BlurError(f"{path}: exists since; the new file is {spare}") from None
    finally:
        with suppress(OSError, BlurError):  # a full disk, reported already
            if file is not None:
                file.close()
        with suppress(OSError):
            part.unlink()


@contextmanager
def write_whole_folder(target: Path, *, force: bool = False) -> Iterator[Path]:
    """A folder to fill that appears under the name `target` once the body ends without an error.

    `target` must be missing or empty, unless `force` replaces it with all its contents. Parents are
    made. OSErrors of the body become BlurErrors too.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with os_errors(target):
            part.mkdir(parents=True)
            yield part
            if force:
                shutil.rmtree(target, ignore_errors=True)
            os.replace(part, target)  # an empty folder may be there
    finally:
        shutil.rmtree(part, ignore_errors=True)


def for_excel(text: str) -> str:
    """`text` quoted if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.lstrip("'").startswith(FORMULA) else text


def from_excel(text: str) -> str:
    """Undo :func:`for_excel`."""
    quoted = text.startswith("'") and text.lstrip("'").startswith(FORMULA)
    return text[1:] if quoted else text


def digest(path: str) -> str:
    """SHA-256 in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same(first: str, second: str) -> bool:
    """Whether two files hold the same bytes."""
    return os.path.getsize(first) == os.path.getsize(second) and digest(first) == digest(second)


def identity(path: str) -> dict[str, int]:
    """Size and modification time, by which a file is recognised again."""
    found = os.lstat(path)
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}


@contextmanager
def _becoming(target: str, part: str, source: str, new: bool = True) -> Iterator[None]:
    """Reserve the name `target` if it is to be `new`; release it again after an error.

    FileExistsError if something is there.
    """
    if new:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield
    except (OSError, KeyboardInterrupt):
        Path(part).unlink(missing_ok=True)
        if new and os.path.lexists(source):  # Ctrl-C may come right after the move
            Path(target).unlink(missing_ok=True)
        raise


def attributes(path: str) -> dict[str, int]:
    """Owner, group, permissions and times of a file."""
    about = os.stat(path)
    names = ("uid", "gid", "mode", "atime_ns", "mtime_ns")
    return {name: getattr(about, f"st_{name}") for name in names}


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def own_as(path: str, like: str) -> None:
    """As root, give a new file or folder the owner of `like`."""
    if _is_root():
        with suppress(OSError):
            about = os.stat(like)
            os.chown(path, about.st_uid, about.st_gid, follow_symlinks=False)


def _give(path: str, source: str, wanted: dict[str, int], times: bool) -> set[str]:
    """Give `path` the attributes `wanted` and the extended attributes of `source`.

    Returns the names of those that the file system refuses, as SMB and exFAT do.
    """

    def owners() -> None:  # others than root may set some groups
        with nullcontext() if _is_root() else suppress(OSError):
            owner = wanted["uid"] if _is_root() else -1
            os.chown(path, owner, wanted["gid"], follow_symlinks=False)

    def extended() -> None:
        names: list[str] = []
        with suppress(OSError):  # from where there are none
            names = os.listxattr(source)
        for name in names:
            # Only the user's attributes matter.
            with nullcontext() if name.startswith("user.") else suppress(OSError):
                os.setxattr(path, name, os.getxattr(source, name))

    def stamps() -> None:
        if times:
            os.utime(path, ns=(wanted["atime_ns"], wanted["mtime_ns"]))

    refused = set()
    for what, step in (
        ("owners", owners),
        ("extended attributes", extended),
        ("permissions", lambda: os.chmod(path, wanted["mode"] & 0o777)),
        ("times", stamps),
    ):
        try:
            step()
        except OSError:
            refused.add(what)
        except AttributeError:  # not on this system
            pass
    return refused


def flush(file: IO[bytes]) -> None:
    """Write buffered data to disk, where the file system supports it."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise


def _copy(
    source: str, target: str, part: str, wanted: dict[str, int] | None = None
) -> tuple[str, set[str]]:
    """Copy content and attributes by way of `part`, then read the copy back and compare."""
    before = os.stat(source)
    wanted = wanted or attributes(source)
    value = hashlib.sha256()
    private = partial(os.open, mode=0o600)
    with open(source, "rb") as reader, open(part, "xb", opener=private) as writer:
        while chunk := reader.read(CHUNK):
            value.update(chunk)
            writer.write(chunk)
        flush(writer)
        if hasattr(os, "posix_fadvise"):  # read back from the disk, not from memory
            with suppress(OSError):
                os.posix_fadvise(writer.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    after = os.stat(source)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise OSError(errno.EBUSY, "it changed while it was copied")
    if digest(part) != value.hexdigest():
        raise OSError(errno.EIO, "the copy differs from it when read back")
    refused = _give(part, source, wanted, times=True)
    os.replace(part, target)
    sync_folder(os.path.dirname(target))
    return value.hexdigest(), refused


def copy(source: str, target: str, part: str) -> tuple[str, set[str]]:
    """Copy the file `source`, links followed, to the free name `target`.

    `part` names the unfinished copy, in the folder of `target`. Returns the copy's SHA-256 in hex
    and the names of the attributes that the file system refuses. OSError if it failed,
    FileExistsError if `target` exists; nothing is left behind.
    """
    with _becoming(target, part, source):
        return _copy(source, target, part)


def move(source: str, target: str, part: str, wanted: dict[str, int] | None = None) -> set[str]:
    """Move the file `source` to the free name `target`, also to another file system.

    There the copy, by way of `part`, is flushed, read back and compared before `source` is deleted;
    it gets the attributes `wanted`, by default its own. Returns the names of those that the file
    system refuses. OSError if it failed, FileExistsError if `target` exists; `source` is unchanged.
    """
    with _becoming(target, part, source):
        try:
            os.replace(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _, refused = _copy(source, target, part, wanted)
            os.unlink(source)
            return refused
    return set()


def write(
    target: str, content: bytes, part: str, new: bool, like: str, mtime_ns: int | None = None
) -> set[str]:
    """Write `content` to `target` at once: readers see either the old file or the new one.

    If `new`, `target` must be free, and root gives it the owner of `like`; otherwise it keeps its
    owner, permissions and extended attributes. `part` names the unfinished file, `mtime_ns` the
    modification time to set. Returns the names of the attributes that the file system refuses.
    OSError if it failed; the old file is unchanged.
    """
    refused = set()
    with _becoming(target, part, target, new=new):
        with open(part, "xb") as file:
            file.write(content)
            flush(file)
        if new:
            own_as(part, like)
        else:
            refused = _give(part, target, attributes(target), times=False)
        if mtime_ns is not None:
            with suppress(OSError):
                os.utime(part, ns=(mtime_ns, mtime_ns))
        os.replace(part, target)
    sync_folder(os.path.dirname(target))
    return refused
