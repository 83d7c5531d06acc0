"""What all tests share: the report of the tests on real imagery, and how property tests are run."""

import signal

import pytest
from hypothesis import settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what a shell runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else programs that tests start would not hear Ctrl-C

settings.register_profile("default", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("default")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests on real imagery ran, so that nobody mistakes their absence for success."""
    counts = {
        outcome: sum("tests/imagery/" in report.nodeid for report in terminalreporter.stats.get(outcome, []))
        for outcome in ("passed", "failed", "skipped")
    }
    if any(counts.values()):
        ran = counts["passed"] + counts["failed"]
        terminalreporter.write_line(f"real imagery: {ran} tests ran, {counts['skipped']} skipped")
