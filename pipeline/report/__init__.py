"""One self-contained HTML page on which the verdicts are reviewed."""

from pipeline.report.thumbnails import file_thumbnail, thumbnail
from pipeline.report.writer import ReportWriter, write_report

__all__ = ["ReportWriter", "file_thumbnail", "thumbnail", "write_report"]
