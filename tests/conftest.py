# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What all tests share: the bases, --full, names to choose tests by, the kernel, the table at the end."""

import concurrent.futures
import pathlib
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "scripts"))

import bases  # noqa: E402
from boots import Boots  # noqa: E402

PROCESSORS = 2

# A test's state is the worst of those of its set-up, its call and its tear-down.
STATES = ["passed", "skipped", "failed"]


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also the tests marked `full'")
    parser.addoption("--base", choices=bases.names(), help="only on this base")
    parser.addoption("--name", action="append", default=[], help="only tests with this in their name")


def pytest_configure(config):
    config.addinivalue_line("markers", "full: takes long, runs with --full only")
    config.addinivalue_line(
        "markers", "older(ARGUMENT=[VALUE...]): on older bases in the plain run too, for these values of its arguments"
    )
    config.pluginmanager.register(Table(config), "table")


def base_of(item):
    """The base that a test runs on, or None."""
    return item.callspec.params.get("base") if hasattr(item, "callspec") else None


def is_for_older(item):
    marks = list(item.iter_markers("older"))
    return any(all(item.callspec.params[name] in values for name, values in mark.kwargs.items()) for mark in marks)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    names, only = config.getoption("name"), config.getoption("base")
    unknown = [name for name in names if not any(name in item.nodeid for item in items)]
    if unknown:
        raise pytest.UsageError(f"no test has '{unknown[0]}' in its name, see tests/run --list")

    def is_wanted(item):
        base = base_of(item)
        if only and base and base.name != only:
            return False
        older = not only and base and base != bases.newest()
        if names:
            named = [name for name in names if name in item.nodeid]
            return bool(named) and not (older and not any(base.name in name for name in named))
        if config.getoption("full"):
            return True
        return not item.get_closest_marker("full") and not (older and not is_for_older(item))

    config.hook.pytest_deselected(items=[item for item in items if not is_wanted(item)])
    items[:] = [item for item in items if is_wanted(item)]
    # One base after the other, for each has kernels of its own
    items.sort(key=lambda item: bases.names().index(base_of(item).name) if base_of(item) else 0)


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


@pytest.fixture(scope="session", params=bases.every(), ids=str)
def base(request):
    return request.param


@pytest.fixture(scope="session")
def boots_of():
    """Base -> its boots, made at first use."""
    pool = concurrent.futures.ThreadPoolExecutor(PROCESSORS)
    yield {base: Boots(base, pool) for base in bases.every()}
    pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def boots(base, boots_of):
    return boots_of[base]


@pytest.fixture(scope="session")
def begun(request, base, boots):
    """The same, with the boots begun that modules say they want, so that no processor waits.
    Of a module with hours of boots a test may be wanted by name, and on an older base a few in
    the plain run; then each begins its own."""
    config = request.config
    few = config.getoption("name") or (
        base != bases.newest() and not config.getoption("full") and not config.getoption("base")
    )
    if few or boots.modules_have_begun:
        return boots
    boots.modules_have_begun = True
    items = [item for item in request.session.items if base_of(item) == base]
    for module in dict.fromkeys(item.module for item in items):
        if hasattr(module, "begin"):
            module.begin(boots, config.getoption("full"))
    return boots


@pytest.fixture(scope="session")
def kernel(boots):
    """The directory of the kernel with the whole series."""
    return boots.kernel("all")
