"""Tells what pytest does as `go test -json` would, so that one closing line counts the tests of both.

Writes to the file that TOKEN2GO_TEST_EVENTS names; the package's name is in TOKEN2GO_TEST_PACKAGE.
"""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timezone
from typing import TextIO

import pytest


class _Events:
    def __init__(self, file: TextIO, package: str) -> None:
        self._file = file
        self._package = package
        self._began = time.monotonic()
        self._seconds: dict[str, float] = {}
        self._worst: dict[str, str] = {}

    def _say(self, action: str, test: str = "", **more: object) -> None:
        event = {"Time": datetime.now(timezone.utc).isoformat(), "Action": action, "Package": self._package, **more}
        if test:
            # A slash would make it the part of another test.
            event["Test"] = test.removeprefix("tests/").replace("/", "|")
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()

    def pytest_sessionstart(self) -> None:
        self._say("start")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._say("run", nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has three reports: it passes when all of them did."""
        test, outcome = report.nodeid, report.outcome
        self._seconds[test] = self._seconds.get(test, 0) + report.duration
        if outcome != "passed" and self._worst.get(test) != "failed":
            self._worst[test] = outcome
            self._say("output", test, Output=f"{report.longreprtext or report.longrepr}\n")
            for title, text in report.sections if outcome == "failed" else []:
                self._say("output", test, Output=f"{title}\n{text}\n")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        action = {"failed": "fail", "skipped": "skip"}.get(self._worst.get(nodeid, ""), "pass")
        self._say(action, nodeid, Elapsed=round(self._seconds.get(nodeid, 0), 3))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read has no test in it; it counts as one that failed."""
        if report.failed:
            self._say("run", report.nodeid)
            self._say("output", report.nodeid, Output=f"{report.longreprtext}\n")
            self._say("fail", report.nodeid, Elapsed=0)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._say("pass" if exitstatus == 0 else "fail", Elapsed=round(time.monotonic() - self._began, 3))
        self._file.close()


def pytest_configure(config: pytest.Config) -> None:
    """Is called by pytest."""
    path = os.environ.get("TOKEN2GO_TEST_EVENTS")
    if path:
        file = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed when the session ends
        config.pluginmanager.register(_Events(file, os.environ.get("TOKEN2GO_TEST_PACKAGE", "pytest")))
