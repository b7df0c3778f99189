"""What a comparison shows: files that can be read without it."""

from pathlib import Path

from tudui.comparison.collect import Comparison
from tudui.comparison.compare import write_values


def write_report(comparison: Comparison, folder: Path) -> None:
    """Write comparison.json, comparison.csv, report.md and report.html with their pictures."""
    write_values(comparison, folder)
