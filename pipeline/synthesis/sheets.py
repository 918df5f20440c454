"""Write CERTH's label sheets, odd headers and all, so that equal labels give equal bytes."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from openpyxl import Workbook

_WRITTEN = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def _without_times(data: bytes) -> bytes:
    """Rewrite the archive `data` with fixed dates: openpyxl stamps the time of writing."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as copy:
        for name in sorted(source.namelist()):
            content = _WRITTEN.sub(rb"\g<1>1980-01-01T00:00:00Z", source.read(name))
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            copy.writestr(entry, content)
    return target.getvalue()


def write_sheet(path: Path, header: tuple[str, str | None], rows: list[tuple[str, int]]) -> None:
    """Write (name, 1 blurred or -1 sharp) rows under `header` to the .xlsx file `path`."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(header)
    for row in rows:
        sheet.append(row)
    target = io.BytesIO()
    book.save(target)
    path.write_bytes(_without_times(target.getvalue()))
