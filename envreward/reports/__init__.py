"""Reports: what a study found, in one HTML file that says first what it can prove."""

from __future__ import annotations

from .data import Arm, ReportData
from .report import render_report, write_report

__all__ = ["Arm", "ReportData", "render_report", "write_report"]
