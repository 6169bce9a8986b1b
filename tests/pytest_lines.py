"""A pytest plugin that prints one line a test, as tests/run reads them.

    pytest -p pytest_lines --lines-suite py_coco tests/python/test_coco.py

Also ends a test that takes more than LIMIT_S.
"""
import signal

LIMIT_S = 300


def pytest_addoption(parser):
    parser.addoption("--lines-suite", default="python")


def pytest_configure(config):
    config.pluginmanager.register(Lines(config), "lines")


class Lines:
    def __init__(self, config):
        self.suite = config.getoption("--lines-suite")
        self.config = config
        self.failed = set()

    def say(self, verdict, report, why=""):
        name = report.nodeid.split("::", 1)[-1].removeprefix("test_").replace(" ", "_")
        text = f"{verdict} {self.suite}::{name}"
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        terminal.ensure_newline()
        terminal.write_line(text + (f": {why}" if why else ""))

    def pytest_runtest_logreport(self, report):
        if report.failed and report.nodeid not in self.failed:
            self.failed.add(report.nodeid)
            self.say("FAIL", report, "" if report.when == "call" else f"in its {report.when}")
        elif report.skipped:
            self.say("skip", report, reason(report))
        elif report.passed and report.when == "call":
            self.say("ok", report)

    def pytest_collectreport(self, report):
        if report.failed:
            self.say("FAIL", report, "cannot be loaded")
        elif report.skipped:
            self.say("skip", report, reason(report))

    def pytest_report_teststatus(self, report):
        """The usual categories, for the summary of failures, but no dots between the lines."""
        if report.when == "call" or report.skipped:
            return report.outcome, "", ""
        return "error" if report.failed else "", "", ""

    def pytest_runtest_setup(self, item):
        signal.signal(signal.SIGALRM, out_of_time)
        signal.alarm(LIMIT_S)

    def pytest_runtest_teardown(self, item):
        signal.alarm(0)


def out_of_time(_signal, _frame):
    raise TimeoutError(f"the test took more than {LIMIT_S} s")


def reason(report):
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ").splitlines()[0]
    return getattr(report, "wasxfail", "") or "expected to fail"
