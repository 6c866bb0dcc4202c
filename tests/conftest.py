# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What all tests share: --full, names to choose tests by, the kernel, the table at the end."""

import pathlib
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "scripts"))

from boots import Boots  # noqa: E402

# A test's state is the worst of those of its set-up, its call and its tear-down.
STATES = ["passed", "skipped", "failed"]


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also the tests marked `full'")
    parser.addoption("--name", action="append", default=[], help="only tests with this in their name")


def pytest_configure(config):
    config.addinivalue_line("markers", "full: takes long, runs with --full only")
    config.pluginmanager.register(Table(config), "table")


def pytest_collection_modifyitems(config, items):
    names = config.getoption("name")
    unknown = [name for name in names if not any(name in item.nodeid for item in items)]
    if unknown:
        raise pytest.UsageError(f"no test has '{unknown[0]}' in its name, see tests/run --list")

    def is_wanted(item):
        if names:
            return any(name in item.nodeid for name in names)
        return config.getoption("full") or not item.get_closest_marker("full")

    config.hook.pytest_deselected(items=[item for item in items if not is_wanted(item)])
    items[:] = [item for item in items if is_wanted(item)]


class Table:
    def __init__(self, config):
        self.config = config
        self.states = {}
        self.seconds = {}

    def note(self, report, seconds):
        name = report.nodeid.removeprefix("tests/")
        known = self.states.get(name, "passed")
        self.states[name] = max(known, report.outcome, key=STATES.index)
        self.seconds[name] = self.seconds.get(name, 0) + seconds
        return name

    def pytest_collectreport(self, report):
        if report.failed:
            self.note(report, 0)

    def pytest_runtest_logreport(self, report):
        name = self.note(report, report.duration)
        if report.when == "teardown":
            self.config.pluginmanager.getplugin("terminalreporter").write_line(self.row(name))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report):
        return report.outcome, "", ""

    def row(self, name):
        return f"{self.states[name]:8} {name} {self.seconds[name]:.0f} s"

    def pytest_terminal_summary(self, terminalreporter, config):
        if config.getoption("collectonly"):
            return
        terminalreporter.write_line("")
        for name in self.states:
            terminalreporter.write_line(self.row(name))
        counts = {state: list(self.states.values()).count(state) for state in STATES}
        terminalreporter.write_line("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))


@pytest.fixture(scope="session")
def boots():
    boots = Boots()
    yield boots
    boots.pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def begun(request, boots):
    """The same, with the boots begun that modules say they want, so that no processor waits.
    Of a module with hours of boots a test may be wanted by name; then each begins its own."""
    named = request.config.getoption("name")
    for module in dict.fromkeys(item.module for item in request.session.items if not named):
        if hasattr(module, "begin"):
            module.begin(boots, request.config.getoption("full"))
    return boots


@pytest.fixture(scope="session")
def kernel(boots):
    """The directory of the kernel with the whole series."""
    return boots.kernel("all")
