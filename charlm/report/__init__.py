"""Pages: what there is to see of a run, in one file of HTML."""

from charlm.report.page import page
from charlm.report.report import make_report

__all__ = ["make_report", "page"]
