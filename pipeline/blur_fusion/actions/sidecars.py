"""Which sidecar each program reads for a photo, and how our marks get there.

============  =====================  ==========  ===========  ======================
program       sidecar                stars       colour       rejected
============  =====================  ==========  ===========  ======================
Lightroom     `IMG_1.xmp`, RAW only  xmp:Rating  xmp:Label    xmpDM:pick, since 13.2
Bridge        `IMG_1.xmp`, RAW only  xmp:Rating  xmp:Label    xmp:Rating -1
Capture One   `IMG_1.xmp`            xmp:Rating  xmp:Label    nothing
darktable     `IMG_1.JPG.xmp` [1]    xmp:Rating  xmp:Label    xmp:Rating -1
digiKam       `IMG_1.JPG.xmp` [2]    xmp:Rating  xmp:Label    digiKam:PickLabel 1
RawTherapee   its own option [3]     xmp:Rating  xmp:Label    nothing
============  =====================  ==========  ===========  ======================

[1] Without one it takes over `IMG_1.xmp` when it imports. [2] Once reading of sidecars is on;
`IMG_1.xmp` by an option for commercial programs. [3] Off at first; since 2024.
Keywords are read from dc:subject and lr:hierarchicalSubject; RawTherapee has none. Lightroom reads
a JPEG's own metadata and no sidecar. Sources are in docs/ratings.md.

So sidecars that are there say which program is used, and only those are amended: a new
`IMG_1.CR2.xmp` beside Lightroom's `IMG_1.xmp` would keep darktable from reading Lightroom's edits.
Where there is none, `NAME.EXT.xmp` is made, and for a RAW `NAME.xmp` as well. Photos themselves are
never written.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from blur_fusion import files
from blur_fusion.actions.journal import Journal
from blur_fusion.actions.shots import RAW, Notes, Shot
from blur_fusion.actions.xmp import Marks, XmlError, fresh, mark, read, unmark
from blur_fusion.images.formats import suffix

LARGEST = 16 << 20  # bytes; darktable's masks make sidecars of some MB


def sidecars(shot: Shot, new: bool) -> dict[str, str]:
    """The sidecars to amend or make, each with its photo; one that two photos share is there once.

    Paths are absolute. Where none are to be `new`, only those that are there.
    """
    found: dict[str, str] = {}
    for photo in shot.photos:
        raw = suffix(photo) in RAW
        wanted = [f"{photo}.xmp"]
        if raw or not any(suffix(other) in RAW for other in shot.photos):
            wanted.append(f"{shot.stem}.xmp")
        lower = [name.lower() for name in wanted]
        there = [name for name in shot.companions if name.lower() in lower]
        if new and not there:
            there = wanted if raw else wanted[:1]
        for name in there:
            found.setdefault(os.path.join(shot.folder, name), os.path.join(shot.folder, photo))
    return found


def tag(
    target: str,
    photo: str,
    marks: Marks | None,
    journal: Callable[[], Journal] | None,
    notes: Notes,
) -> bool:
    """Write the sidecar `target` of `photo`; whether there was anything to write.

    Parameters
    ----------
    marks : Marks, optional
        What it is to say; None takes our earlier marks off, and what holds nothing else then is
        deleted.
    journal : callable, optional
        Opens the journal, once there is something to write; None: nothing is written.
    notes : Notes
        Learn what the file system refuses, and which ratings stay.

    Raises
    ------
    XmlError
        The sidecar is left alone; the message says why.
    OSError
        It cannot be read or written, and is as it was.
    BlurError
        The journal cannot be written.
    """
    found = os.lstat(target) if os.path.lexists(target) else None
    before: bytes | None = None
    after: bytes | None
    if found is None:
        assert marks is not None  # only what is there is amended
        whole = os.path.splitext(target)[0] == photo
        after = fresh(marks, None if whole else suffix(photo)[1:].upper())
    else:
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            if marks is None:
                return False
            raise XmlError("it is a link or no regular file, or larger than 16 MB")
        before = Path(target).read_bytes()
        after = unmark(before) if marks is None else mark(before, marks)
        stays = read(after).rating if marks and marks.rating and after else None
        if marks and stays is not None and stays > (marks.rating or 0):
            notes.left.append(f"{target}: rating {stays} stays; --force lowers it")
    if before == after or journal is None:
        return before != after
    facts = {
        "before": None if before is None else base64.b64encode(before).decode("ascii"),
        "mtime_ns": None if found is None else found.st_mtime_ns,
        "sha256": None if after is None else hashlib.sha256(after).hexdigest(),
    }
    opened = journal()
    with opened.step("tag", photo, target, **facts) as entry:
        if found is not None and os.lstat(target).st_mtime_ns != found.st_mtime_ns:
            raise OSError(None, "another program is writing it")
        if after is None:
            os.unlink(target)
        else:
            part = opened.part(entry, target)
            notes.refused |= files.write(target, after, part, new=found is None, like=photo)
    return True
