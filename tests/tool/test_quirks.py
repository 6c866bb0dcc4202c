# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""What the kernel knows of a function by a quirk, as iommu-groups has it from drivers/pci/quirks.c."""

import subprocess
import sys

import pytest
from lspci_output import CONVENTIONAL, ROOT_PORT, Function, both, dump, verbose
from test_texts import partition, rp, verdict
from tool import AGREE, DIFFER, UNDECIDED, kernel_file, program, run

FILES = ("drivers/pci/quirks.c", "include/linux/pci_ids.h")


def generate(tmp_path, change=None):
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = kernel_file(name)
        path.write_text(change(text) if change and name == FILES[0] else text)
    return subprocess.run([sys.executable, program().parent / "acs-quirks.py", tmp_path], capture_output=True, text=True)


def test_table_is_that_of_the_tree(tmp_path):
    done = generate(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (program().parent / "acs-quirks.h").read_text(), "run tools/iommu/acs-quirks.py again"


@pytest.mark.parametrize("old, new, sentence", [
    # a function that nobody has read
    ("return pci_acs_ctrl_enabled(acs_flags, ctrl);", "return ctrl > 7;", "pci_quirk_intel_spt_pch_acs() is of no kind"),
    ("quirk_dma_func1_alias);", "quirk_dma_func2_alias);", "quirk_dma_func2_alias() is not known"),
    ("pci_dev_acs_enabled[] = {", "pci_dev_acs_other[] = {", "there is no table"),
])
def test_what_is_not_understood_is_an_error(tmp_path, old, new, sentence):
    done = generate(tmp_path, lambda text: text.replace(old, new))
    assert done.returncode == 1 and sentence in done.stderr and len(done.stderr.splitlines()) == 1


def intel_port(acs, device, name="RP", address="00:1d.0", bus=3, **more):
    return Function(name, address, ROOT_PORT, acs, buses=(bus, bus), vendor=0x8086, device=device, **more)


def below(port):
    return [port, Function("A", f"{port.buses[0]:02x}:00.0")]


def status(functions, groups="", how=verbose):
    return run("--verify", "--dump", "-", text=dump(partition(functions, groups), how))


@pytest.mark.parametrize("device", [0xA110, 0xA11F, 0xA167, 0xA16A, 0xA290, 0xA2E7, 0xA2EE, 0x9D10, 0x9D1B])
def test_registers_at_another_place(device):
    """lspci shows the upper half of a capability register of 32 bits as the control register."""
    done = status(below(intel_port("off", device)))
    assert done.returncode == UNDECIDED
    assert "0000:00:1d.0: kernels have a quirk for it, as its ACS registers are not where lspci looks" in done.stdout
    assert status(below(intel_port("off", device)), "{RP,A}").returncode == UNDECIDED
    # With all bytes the answer is the kernel's
    assert status(below(intel_port("off", device, second_dword=0x1D)), how=both).returncode == AGREE
    assert status(below(intel_port("off", device, second_dword=0x19)), how=both).returncode == DIFFER


@pytest.mark.parametrize("device", [0xA10F, 0xA120, 0x9D1C, 0x1234])
def test_other_devices_are_not_those(device):
    assert status(below(intel_port("off", device))).returncode == DIFFER


@pytest.mark.parametrize("device", [0x1D10, 0x8C1F, 0x9C90, 0x8D1E, 0x3B42])
def test_ports_without_the_capability(device):
    done = status(below(intel_port("none", device)))
    assert done.returncode == UNDECIDED
    assert "0000:00:1d.0: kernels have a quirk for it, so whether it isolates is not known" in done.stdout


def test_quirk_is_for_root_ports_only():
    functions = [Function("X", "00:1d.0", CONVENTIONAL, vendor=0x8086, device=0x1D10, multifunction=True),
                 Function("Y", "00:1d.1", CONVENTIONAL)]
    assert status(functions).returncode == DIFFER


def two_functions(vendor, device):
    return [rp("ACS"), Function("F0", "01:00.0", vendor=vendor, device=device, multifunction=True),
            Function("F1", "01:00.1", vendor=vendor, device=device)]


def test_functions_that_isolate():
    assert status(two_functions(0x8086, 0x1521)).returncode == AGREE
    assert status(two_functions(0x8086, 0x1520)).returncode == DIFFER
    functions = two_functions(0x14E4, 0x1751)
    done = run("--dump", "-", "--why", "01:00.0", "01:00.1", text=dump(functions))
    assert "isolates, as a quirk of the kernel knows" in done.stdout


def test_functions_that_do_not_whatever_they_say():
    """Of some vendors the kernel believes only the devices that it lists."""
    functions = two_functions(0x8088, 0x4321)
    for fn in functions[1:]:
        fn.acs = "ACS"
    assert status(functions).returncode == DIFFER
    for fn in functions[1:]:
        fn.device = 0x1001
    assert status(functions).returncode == AGREE


def test_amd_southbridge_with_its_iommu():
    functions = [Function("F0", "00:14.0", CONVENTIONAL, vendor=0x1002, device=0x4385, multifunction=True),
                 Function("F2", "00:14.2", CONVENTIONAL, vendor=0x1002, device=0x4383)]
    assert status(functions, how=both).returncode == AGREE
    for fn in functions:
        fn.group = None
    assert verdict(*functions, dump(functions, both)) == "unknown"


def test_name_alone_makes_it_unknown():
    """lspci without -nn: another device may have the same name."""
    functions = below(intel_port("off", 0xA110))
    text = dump(partition(functions, "")).replace("Intel Corporation RP [8086:a110]", "Intel Corporation Device a110")
    assert run("--verify", "--dump", "-", text=text).returncode == UNDECIDED
    text = dump(partition(functions, "")).replace("Intel Corporation RP [8086:a110]", "Intel Corporation Device a150")
    assert run("--verify", "--dump", "-", text=text).returncode == DIFFER


def test_requester_id_of_another_function():
    functions = [rp("ACS"), Function("F0", "01:00.0", vendor=0x1B4B, device=0x9172, acs="ACS", multifunction=True),
                 Function("F1", "01:00.1", vendor=0x1B4B, device=0x91A4, acs="ACS")]
    assert verdict(functions[1], functions[2], dump(functions)) == "together"
    assert status(functions, "{F0,F1}").returncode == AGREE
    assert status(functions).returncode == DIFFER


def test_requester_ids_that_are_not_known():
    functions = [rp("ACS"), Function("X", "01:00.0", vendor=0x8086, device=0x2260)]
    done = status(functions, "{RP,X}")
    assert done.returncode == UNDECIDED and "by a quirk the kernel knows more requester IDs" in done.stdout
