# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What all tests share: the bases, --full, features and names to choose tests by, the kernel, the results."""

import concurrent.futures
import pathlib
import re
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "scripts"))

import bases  # noqa: E402
from boots import Boots  # noqa: E402

PROCESSORS = 2

# A test's state is the worst of those of its set-up, its call and its tear-down.
STATES = ["passed", "skipped", "failed"]


# What people look for, and in what order it is listed: the tests whose name has a match of this.
FEATURES = {
    "groups": r"_partition\b",
    "reason": r"reasons|tells_why",
    "policy": r"strict|policy",
    "model": r"test_isolation|test_machines",
    "stages": r"test_stage\b",
    "sysfs": r"test_boots.py::test_\w+_passes|test_bad_input_is_refused|test_iommu_groups|reasons",
    "debugfs": r"test_lines_|test_drivers_of_ports",
    "uevent": r"test_series_tells_(what|of)|test_boots.py::test_series_passes\[\S+-(intel|amd)\]",
    "tracepoint": r"test_series_tells_what",
    "ownership": r"test_series_tells_what|test_vfio|refused_during_a_reset",
    "vfio": r"test_vfio|test_bad_input.py::test_(bad|devices)",
    "hotplug": r"hotplug|unplugged|-late\b",
    "sriov": r"-late\b",
    "reset": r"test_resets",
    "faults": r"allocation|test_bad_input.py",
    "kunit": r"kunit|test_isolation",
    "kselftest": r"test_selftests",
    "readers": r"test_readers",
    "tool": r"tests/tool/",
    "docs": r"test_documents",
    "patches": r"test_gates|test_repository|test_queues|test_post",
    "harness": r"test_harness",
}


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also the tests marked `full'")
    parser.addoption("--base", choices=bases.names(), help="only on this base")
    parser.addoption("--name", action="append", default=[], help="only tests of this feature, or with this in their name")
    parser.addoption("--list", action="store_true", help="list the tests by feature, and run none")


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


def has_name(item, name):
    """Whether people who say NAME mean the test; of a feature not what takes long."""
    if name in FEATURES:
        wanted = item.config.getoption("full") or not item.get_closest_marker("full")
        return wanted and re.search(FEATURES[name], item.nodeid) is not None
    return name in item.nodeid


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if config.getoption("list"):
        return
    names, only = config.getoption("name"), config.getoption("base")
    unknown = [name for name in names if not any(has_name(item, name) for item in items)]
    if unknown:
        raise pytest.UsageError(f"'{unknown[0]}' is no feature and no test has it in its name, see tests/run --list")

    def is_wanted(item):
        base = base_of(item)
        if only and base and base.name != only:
            return False
        older = not only and base and base != bases.newest()
        if names:
            named = [name for name in names if has_name(item, name)]
            return bool(named) and not (older and not any(base.name in name for name in named))
        if config.getoption("full"):
            return True
        return not item.get_closest_marker("full") and not (older and not is_for_older(item))

    config.hook.pytest_deselected(items=[item for item in items if not is_wanted(item)])
    items[:] = [item for item in items if is_wanted(item)]
    # One base after the other, for each has kernels of its own
    items.sort(key=lambda item: bases.names().index(base_of(item).name) if base_of(item) else 0)


def pytest_collection_finish(session):
    if session.config.getoption("list"):
        session.config.pluginmanager.getplugin("terminalreporter").write_line(listing(session.items))


def pytest_runtestloop(session):
    # Told that all is done
    return session.config.getoption("list") or None


def listing(items):
    """The tests below the features that they are of; on an older base most run with --full only."""
    left, text = list(items), []
    for feature, pattern in [*FEATURES.items(), ("others", "")]:
        members = [item for item in (items if feature in FEATURES else left) if re.search(pattern, item.nodeid)]
        left = [item for item in left if item not in members]
        text += ["", f"{feature}: {len(members)} tests"]
        for item in members:
            base = base_of(item)
            full = item.get_closest_marker("full") or (base and base != bases.newest() and not is_for_older(item))
            text.append(f"    {item.nodeid.removeprefix('tests/')}{' (--full)' if full else ''}")
    return "\n".join(text[1:])


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
        if config.getoption("list"):
            return
        terminalreporter.write_line("")
        for name, state in self.states.items():
            if state == "failed":
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
