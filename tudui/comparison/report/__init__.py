"""What a comparison shows: files that can be read without it, and tables on the terminal."""

from tudui.comparison.collect import Comparison
from tudui.comparison.report.content import report_of, summary_of, title_of
from tudui.comparison.report.document import Paragraph, pictures_of
from tudui.comparison.report.html import fragment, html
from tudui.comparison.report.markdown import PICTURES, markdown
from tudui.comparison.report.spreadsheet import csv_text
from tudui.comparison.report.terminal import side_by_side, terminal
from tudui.errors import DiskError
from tudui.files import json_text, refuse_links, write_text, written_aside

__all__ = ["side_by_side", "summary_html", "terminal", "where", "write_report"]

HTML = "report.html"


def write_report(comparison: Comparison) -> None:
    """Write comparison.json, comparison.csv, report.md and report.html with their pictures, beside the runs."""
    folder = comparison.folder
    write_text(folder / "comparison.json", json_text(comparison.values, indent=2) + "\n")
    write_text(folder / "comparison.csv", csv_text(comparison.values))
    document = report_of(comparison)
    pictures = folder / PICTURES
    refuse_links(pictures)
    try:
        pictures.mkdir(exist_ok=True)
    except OSError as error:
        raise DiskError(f"{pictures}: cannot be made: {error.strerror or error}") from None
    for picture in pictures_of(document):
        with written_aside(pictures / f"{picture.name}.png") as file:
            file.write(picture.png)
    write_text(folder / "report.md", markdown(document))
    write_text(folder / HTML, html(document, title=title_of(comparison.values)))


def summary_html(comparison: Comparison) -> str:
    """Return what a comparison says and its main tables, as a part of a page."""
    return fragment([*summary_of(comparison.values), Paragraph(where(comparison))])


def where(comparison: Comparison) -> str:
    """Return where the whole report is."""
    return f"report: {comparison.folder / HTML}"
