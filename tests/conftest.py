"""What all tests share: the report of the tests on real imagery."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests on real imagery ran, so that nobody mistakes their absence for success."""
    counts = {
        outcome: sum("tests/imagery/" in report.nodeid for report in terminalreporter.stats.get(outcome, []))
        for outcome in ("passed", "failed", "skipped")
    }
    if any(counts.values()):
        ran = counts["passed"] + counts["failed"]
        terminalreporter.write_line(f"real imagery: {ran} tests ran, {counts['skipped']} skipped")
