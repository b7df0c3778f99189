"""The report of a comparison: files that need nothing else, and tables for the terminal."""

import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from tudui.comparison.outcome import Comparison
from tudui.comparison.problems import Problems
from tudui.files import disk_errors, json_text, opened, write_text, written_aside
from tudui.report.content import report_of, summary_of, title_of
from tudui.report.document import Document, Paragraph, pictures_of
from tudui.report.html import fragment, html
from tudui.report.language import Language, say, speaking
from tudui.report.markdown import PICTURES, markdown
from tudui.report.paper import latex, wide_csv
from tudui.report.problems import report_of_problems, summary_of_problems, title_of_problems
from tudui.report.spreadsheet import csv_text
from tudui.report.terminal import WIDE, side_by_side, terminal, terminal_of_problems
from tudui.sinks.printable import printable_console

__all__ = [
    "FORMS", "Language", "ProblemsReport", "Report", "side_by_side", "speaking", "terminal", "terminal_of_problems",
    "where", "write_problems", "write_report",
]  # fmt: skip

HTML = "report.html"
FORMS = {"latex": latex, "wide": wide_csv, "long": csv_text}  # of a comparison as one text


def write_report(comparison: Comparison, language: Language = "en") -> None:
    """Write comparison.json, comparison.csv, report.md and report.html with their pictures, beside the runs."""
    folder = comparison.folder
    write_text(folder / "comparison.json", json_text(comparison.values, indent=2) + "\n")
    write_text(folder / "comparison.csv", csv_text(comparison))
    with speaking(language):
        _write_document(folder, report_of(comparison), title_of(comparison))


def write_problems(problems: Problems, language: Language = "en") -> None:
    """Write problems.json, report.md and report.html with their pictures, beside the comparisons."""
    folder = problems.folder
    write_text(folder / "problems.json", json_text(problems.values, indent=2) + "\n")
    with speaking(language):
        _write_document(folder, report_of_problems(problems), title_of_problems(problems))


def _write_document(folder: Path, document: Document, title: str) -> None:
    """Write a report as Markdown and as a page, and remove the pictures of an earlier one."""
    pictures = folder / PICTURES
    with disk_errors(pictures):
        pictures.mkdir(exist_ok=True)
    drawn = pictures_of(document)
    for picture in drawn:
        with written_aside(pictures / f"{picture.name}.png") as file:
            file.write(picture.png)
    text = folder / "report.md"
    old = ""
    if text.is_file():
        with opened(text) as file:
            old = file.read().decode("utf-8", "replace")
    before = re.findall(rf"\({PICTURES}/([\w.+-]+)\.png\)", old)
    write_text(text, markdown(document))
    write_text(folder / HTML, html(document, title=title))
    for name in {*before} - {picture.name for picture in drawn}:  # of an earlier report, for example by another metric
        (pictures / f"{name}.png").unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(Comparison):
    """A comparison that Python prints as the command does, and a notebook as the first part of its report."""

    language: Language = "en"

    def __repr__(self) -> str:
        console = printable_console(StringIO(), force_jupyter=False, width=WIDE, soft_wrap=False)
        with speaking(self.language):
            with console.capture() as shown:
                terminal(self, console)
            return f"{shown.get()}{where(self)}"

    def latex(self) -> str:
        """Return the table of losses by label noise in LaTeX; it needs the package booktabs."""
        with speaking(self.language):
            return latex(self)

    def _repr_html_(self) -> str:
        with speaking(self.language):
            return fragment([*summary_of(self), Paragraph(where(self))])


@dataclass(frozen=True, kw_only=True, repr=False)
class ProblemsReport(Problems):
    """The comparisons of a grid, which Python prints as the command does, and a notebook as its report begins."""

    language: Language = "en"

    def __repr__(self) -> str:
        console = printable_console(StringIO(), force_jupyter=False, width=WIDE, soft_wrap=False)
        with speaking(self.language):
            with console.capture() as shown:
                terminal_of_problems(self, console)
            return f"{shown.get()}{where(self)}"

    def _repr_html_(self) -> str:
        with speaking(self.language):
            return fragment([*summary_of_problems(self), Paragraph(where(self))])


def where(report: Comparison | Problems) -> str:
    """Return the sentence that names the report's file."""
    return say("report: {file}", file=report.folder / HTML)
