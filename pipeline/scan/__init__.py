"""Judge whole folders: find files, open and judge them on all cores, remember, write."""

from pipeline.scan.engine import scan
from pipeline.scan.inputs import Found, find, named
from pipeline.scan.judging import Judge, Judged, settled
from pipeline.scan.options import ScanOptions

__all__ = ["Found", "Judge", "Judged", "ScanOptions", "find", "named", "scan", "settled"]
