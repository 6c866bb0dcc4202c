# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""iommu-groups on texts that mails, forums and people have changed, and on lists of groups.

Nothing here is of anybody's machine.  The sets are derived by hand, as in test_texts.py.
"""

import functools
import importlib.machinery
import importlib.util
import json

import pasted
import pytest
from lspci_output import ROOT_PORT, Function, both, dump, hexdump, verbose
from test_texts import EXAMPLES, grouped, guest_text, rp, sets_of, switch, sysfs, verdict
from tool import AGREE, DIFFER, HERE, TROUBLE, UNDECIDED, program, run


def load(name):
    loader = importlib.machinery.SourceFileLoader(name, str(HERE / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


census = load("census")


@functools.cache
def answers(text):
    return census.answers(program(), text.encode())


def verify(text, *arguments):
    return run("--verify", "--dump", "-", *arguments, text=text)


def groups_of(text):
    done = run("--dump", "-", "--json", text=text)
    assert done.returncode == AGREE, done.stderr
    return {device["address"]: group["group"] for group in json.loads(done.stdout)["groups"] for device in group["devices"]}


# Whatever is done to a text, no answer changes but to "unknown"


def texts():
    """Long words, so that all widths break something."""
    for name in ("E01", "E06", "E09", "E17", "E34", "integrated endpoints of Intel"):
        yield name, dump(grouped(name)), dump(grouped(name), v)
    yield "unsafe switch", dump(grouped("E05", "{A,D1} {B,D2}")), dump(grouped("E05", "{A,D1} {B,D2}"), v)


def v(fn):
    """One function as `lspci -v' prints it, with the group at the end of a long line."""
    lines = []
    for line in verbose(fn).split("\n"):
        if line.startswith("\tControl:"):
            group = "" if fn.group is None else f", IOMMU group {fn.group}"
            master = "bus master, " if fn.master else ""
            lines.append(f"\tFlags: {master}fast devsel, latency 0, IRQ 16, NUMA node 0{group}")
        elif not line.startswith(("\t\t", "\tStatus:", "\tLatency:", "\tIOMMU group:")):
            lines.append(line.replace("Region 0: ", ""))
    return "\n".join(lines)


@pytest.mark.parametrize("change", pasted.CHANGES)
def test_nothing_is_lost(change):
    for name, *forms in texts():
        for text in forms:
            # A terminal that is as wide as no line is changes nothing
            before = answers(text)
            after = census.answers(program(), pasted.encoded(pasted.CHANGES[change](text)))
            assert not census.contradictions(before, after, True), name


@pytest.mark.parametrize("width", range(40, 100, 6))
def test_wrapped_at_any_width(width):
    for name, *forms in texts():
        for text in forms:
            before = answers(text)
            after = census.answers(program(), pasted.wrap(text, width).encode())
            assert not census.contradictions(before, after, True), name


@pytest.mark.parametrize("machine", ["intel-fabric-stock", "amd-fabric-stock", "intel-fabric-series"])
@pytest.mark.parametrize("change", ["wrapped at 66", "wrapped twice", "numbered", "raw mail", "plus signs"])
def test_nothing_is_lost_of_guests(machine, change):
    text = guest_text(machine, "vvv")
    before = answers(text)
    after = census.answers(program(), pasted.encoded(pasted.CHANGES[change](text)))
    assert not census.contradictions(before, after, True)


@pytest.mark.parametrize("change", [*pasted.ELISIONS, *(f"another, {seed}" for seed in range(100, 120))])
def test_something_is_lost(change):
    for name, *forms in texts():
        for text in forms:
            before = answers(text)
            changed = pasted.ELISIONS[change](text) if change in pasted.ELISIONS else pasted.elide(text, change)
            assert not census.contradictions(before, census.answers(program(), changed.encode()), False), name


def test_broken_in_words_by_a_terminal():
    """Enough lines show that it was no mail program, so nothing is lost."""
    text = guest_text("intel-fabric-stock", "vvv")
    before = answers(text)
    after = census.answers(program(), pasted.wrap_words(text, 80).encode())
    assert not census.contradictions(before, after, True)


@pytest.mark.parametrize("mark", pasted.MARKS)
def test_left_out_is_never_agreement(mark):
    """What stood there may be a port without ACS."""
    functions = grouped("E04")
    parts = [verbose(fn) for fn in functions]
    assert verify("".join(parts)).returncode == AGREE
    assert verify("".join([*parts[:3], mark + "\n\n", *parts[4:]])).returncode == UNDECIDED
    text = "".join(parts).replace("\tCapabilities: [148 v1] Access Control Services\n", f"\t{mark}\n", 1)
    done = verify(text)
    assert done.returncode == UNDECIDED and "the text leaves something out at line" in done.stdout


def test_left_out_inside_a_function_is_not_absent():
    functions = grouped("E01")
    port = verbose(functions[0])
    text = port[: port.index("\tCapabilities: [148 v1]")] + "\t[...]\n\n" + verbose(functions[1])
    done = verify(text)
    assert done.returncode == UNDECIDED
    assert "0000:00:01.0: some of it is left out, line" in done.stdout
    assert verdict(*functions, text) == "unknown"


def test_what_follows_a_mark_may_be_of_another_function():
    functions = grouped("E01", "{A,RP}")
    functions[0].acs = "off"
    other = verbose(rp("ACS", address="00:02.0", bus=2))
    port = verbose(functions[0])
    text = port[: port.index("\tCapabilities: [148 v1]")] + "[...]\n" + other[other.index("\tCapabilities: [148") :] + verbose(functions[1])
    assert verdict(*functions, text) == "unknown"


@pytest.mark.parametrize("keep", ["\tControl:", "\tCapabilities: [50]"])
def test_first_line_of_a_function_is_not_there(keep):
    """Its lines are not those of the function before, and it is known that there is one."""
    functions = grouped("E04")
    functions[2].acs = "off"
    parts = [verbose(fn) for fn in functions]
    parts[3] = parts[3][parts[3].index(keep) :]
    text = "".join(parts)
    assert verify(text).returncode in (UNDECIDED, DIFFER)
    functions[2].acs = "ACS"
    parts[2] = verbose(functions[2])
    assert verify("".join(parts)).returncode == UNDECIDED


def test_text_that_begins_within_a_function():
    text = dump(grouped("E04"))
    assert verify(text[text.index("\tCapabilities") :]).returncode == UNDECIDED


def test_vpd_is_not_a_mark():
    """Other brackets, and other words at the beginning of a line."""
    text = dump(grouped("E01")).replace(
        "\tKernel driver", "\tCapabilities: [9c] Vital Product Data\n\t\t[SN] Serial number: (removed)\n\t\tEnd\n\tKernel driver")
    assert verify(text).returncode == AGREE


@pytest.mark.parametrize("around", ["{}\n-- \nSomebody\nhttps://example.org\n", "{}\nAny ideas? I have none ...\n", "So ...\n[...]\n\n{}"])
def test_words_of_a_mail_are_no_marks(around):
    assert verify(around.format(dump(grouped("E01")))).returncode == AGREE


def test_mark_of_grep():
    """grep -A puts it where it left lines out."""
    parts = [verbose(fn) for fn in grouped("E04")]
    assert verify("".join([*parts[:3], "--\n", *parts[4:]])).returncode == UNDECIDED


# Wrapped group numbers


@pytest.mark.parametrize("flags", [
    "IRQ 16, IOMMU group 8\n", "IRQ 16,\nIOMMU group 8\n", "IRQ 16, IOMMU\ngroup 8\n", "IRQ 16, IOMMU group\n8\n",
])
def test_wrapped_group(flags):
    port, function = verbose(rp("none", group=7)), verbose(Function("A", "01:00.0"))
    text = port + "\n".join(line for line in function.split("\n") if "Control:" not in line)
    text = text.replace("\tStatus: Cap+ 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR- <PERR- INTx-\n\tLatency: 0, Cache Line Size: 64 bytes\n\tRegion",
                        f"\tFlags: bus master, fast devsel, latency 0, {flags}\tRegion")
    assert groups_of(text) == {"0000:00:01.0": 7, "0000:01:00.0": 8}
    assert verify(text).returncode == DIFFER


def test_half_a_number_is_no_number():
    text = dump(grouped("E01", "{A,RP}")).replace("IOMMU group: 0", "IOMMU group: 1\n2", 1)
    done = verify(text)
    assert done.returncode == UNDECIDED and "unknown: the group of 0000:00:01.0" in done.stdout


def test_function_without_a_known_group_takes_the_verdict():
    """Lines that a filter left: of one function that with the group is not there."""
    functions = grouped("E05", "{A,B,D1,D2}")
    assert verify(dump(functions)).returncode == AGREE
    text = "".join(verbose(fn) for fn in functions[:-1]) + "04:00.0 Ethernet controller: Example\n"
    done = verify(text)
    assert done.returncode == UNDECIDED and "unknown: the group of 0000:04:00.0; the text does not say" in done.stdout


# Paths, prose, two machines


def with_paths(functions, form):
    """`lspci -P' or -PP"""
    text = ""
    for fn in functions:
        path, at = fn.address, fn
        while True:
            above = [f for f in functions if f.buses and f.buses[0] == int(at.address.split(":")[-2], 16)]
            if not above:
                break
            at, path = above[0], f"{above[0].address}/{path}"
        first, *rest = path.split("/")
        path = "/".join([first, *(part if form == "-PP" else part.split(":")[1] for part in rest)])
        text += verbose(fn).replace(fn.address, path, 1)
    return text


def test_paths_of_bridges():
    for name in ("E05", "E09", "cascade"):
        functions = grouped(name)
        assert groups_of(with_paths(functions, "-PP")) == groups_of(dump(functions))
        assert sets_of([Function(**{**vars(fn), "group": None}) for fn in functions],
                       with_paths([Function(**{**vars(fn), "group": None}) for fn in functions], "-PP")) == \
            sets_of(functions, dump([Function(**{**vars(fn), "group": None}) for fn in functions]))


def test_port_without_acs_below_a_path():
    """Its lines are its own, not those of the port that was printed before it."""
    functions = grouped("E09", "{A} {B}")
    assert verify(with_paths(functions, "-PP")).returncode == DIFFER


def test_paths_without_buses_are_refused():
    done = verify(with_paths(grouped("E05"), "-P"))
    assert done.returncode == TROUBLE and "`lspci -P', which does not tell buses" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("line", ["00:1c.0/01", "00:1c.0/", "00:1c.0/01:00.0/x", "00:1c.0/0000:01:00.0"])
def test_broken_path_is_refused(line):
    done = verify(dump(grouped("E01")) + f"{line} PCI bridge: x\n")
    assert done.returncode == TROUBLE and "line " in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("prose", [
    "01:00.0 is the card that fails, see: below", "01:00.0 and 02:00.0: both?", "02:00.0 - my NIC (it worked: once)",
    "01:00.0: this one", "00:02.0 The bridge: Intel Corporation something",
])
def test_sentence_that_begins_with_an_address(prose):
    functions = grouped("E01")
    text = dump(functions)
    for changed in (prose + "\n\n" + text, text + prose + "\n", text.replace("\n\n", f"\n\n{prose}\n\n", 1)):
        assert groups_of(changed) == groups_of(text)
        assert verify(changed).returncode == AGREE


def test_class_that_has_no_name_yet():
    text = dump(grouped("E01")).replace("Ethernet controller:", "Quantum accelerator:")
    assert groups_of(text).keys() == {"0000:00:01.0", "0000:01:00.0"}


def test_diff_of_two_outputs_is_refused():
    text = dump(grouped("E01"))
    lines = [" " + line for line in text.split("\n")]
    lines.insert(9, "-\tControl: I/O+ Mem+")
    lines.insert(10, "+\tControl: I/O- Mem-")
    done = verify("\n".join(lines))
    assert done.returncode == TROUBLE and "line 10: this is a diff of two outputs" in done.stderr


def test_two_boots_are_refused():
    done = verify(dump(grouped("E01")) + dump(grouped("E01", "{A,RP}")))
    assert done.returncode == TROUBLE and "is there a second time and differs" in done.stderr


# What root does not help against


def test_function_that_is_asleep():
    text = dump(grouped("E01")).split("01:00.0", maxsplit=1)[0] + \
        "01:00.0 VGA compatible controller: Example (rev ff) (prog-if ff)\n\t!!! Unknown header type 7f\n\tIOMMU group: 1\n\n"
    done = verify(text)
    assert "not all functions responded" in done.stderr and "root" not in done.stderr
    done = run("--dump", "-", "--why", "00:01.0", "01:00.0", text=text)
    assert "root" not in done.stderr


def test_short_hex_dump():
    done = run("--dump", "-", text=dump(EXAMPLES["E05"][0], lambda fn: hexdump(fn, 64)))
    assert "`lspci -xxxx' as root shows all" in done.stderr


def test_hex_dump_of_all_ones():
    ones = "".join(f"{at:02x}:" + " ff" * 16 + "\n" for at in range(0, 64, 16))
    text = dump(EXAMPLES["E01"][0][:1], both) + "01:00.0 VGA compatible controller: Example (rev ff)\n" + ones + "\n"
    assert "not all functions responded" in run("--dump", "-", text=text).stderr


# POWER


@pytest.mark.parametrize("node", ["pciex@600c3c0100000/pci@0", "pci@800000020000000/ethernet@1"])
def test_groups_of_power_are_not_checked(node):
    text = dump(grouped("E02", "")).replace("\tControl:", f"\tDevice tree node: /sys/firmware/devicetree/base/{node}\n\tControl:")
    done = verify(text)
    assert done.returncode == UNDECIDED
    assert "not checked: on POWER" in done.stdout and "unsafe" not in done.stdout
    # Other machines have device trees as well
    text = text.replace(node, "soc/pcie@3400000")
    assert verify(text).returncode == DIFFER


# Words


def test_words_of_what_is_not_known():
    functions = two_hidden()
    done = run("--dump", "-", "--why", "01:00.0", "01:00.1", text=dump(functions))
    assert "neither isolates" not in done.stdout and "it is not known whether both isolate" in done.stdout


def two_hidden():
    functions = [rp("ACS"), Function("F0", "01:00.0", multifunction=True), Function("F1", "01:00.1")]
    for fn in functions[1:]:
        fn.hidden = True
    return functions


# No IOMMU yet


def off():
    """RP1-A, RP2-B, functions of one device, with ACS that nobody switched on."""
    return [
        rp("off", "RP1", "00:1c.0", 1, multifunction=True), rp("off", "RP2", "00:1c.1", 2),
        Function("A", "01:00.0"), Function("B", "02:00.0"),
    ]


@pytest.mark.parametrize("how", [verbose, both])
def test_what_if_the_iommu_is_on(how):
    text = dump(off(), how)
    done = run("--dump", "-", "--json", text=text)
    answer = json.loads(done.stdout)
    assert answer["what_if"] is None and answer["acs_not_requested"] == 2
    assert [len(group["devices"]) for group in answer["groups"]] == [4]
    assert "2 functions have ACS that is off, as no IOMMU driver asked for it" in done.stderr
    assert "Of these 1 sets the kernel will make 4" in done.stderr and "must not be split" not in done.stderr

    answer = json.loads(run("--dump", "-", "--json", "--what-if", "iommu=on", text=text).stdout)
    assert answer["what_if"] == "iommu=on"
    assert [len(group["devices"]) for group in answer["groups"]] == [1, 1, 1, 1]
    assert answer["switched_on"] == [{"address": f"0000:00:1c.{i}", "services": ["SV", "RR", "CR", "UF"]} for i in range(2)]
    done = run("--dump", "-", "--what-if", "iommu=on", "--why", "01:00.0", "02:00.0", text=text)
    assert "are apart once the IOMMU is on" in done.stdout
    done = run("--dump", "-", "--why", "01:00.0", "02:00.0", text=text)
    assert "belong together:" in done.stdout


def test_what_if_does_not_invent_acs():
    """A port without the capability has none with an IOMMU either."""
    functions = switch("off", "none")
    assert sets_what_if(functions) == {frozenset({"D1", "D2", "A", "B"})}
    functions = switch("off", "off", "off")
    assert sets_what_if(functions) == set()


def sets_what_if(functions):
    answer = json.loads(run("--dump", "-", "--json", "--what-if", "iommu=on", text=dump(functions, both)).stdout)
    names = {fn.full_address: fn.name for fn in functions}
    found = {frozenset(names[device["address"]] for device in group["devices"]) for group in answer["groups"]}
    return {group for group in found if len(group) > 1}


def test_what_if_with_quirks():
    port = Function("RP", "00:1d.0", ROOT_PORT, "off", buses=(3, 3), vendor=0x8086, device=0xA110)
    below = Function("A", "03:00.0")
    assert verdict_what_if([port, below]) == "apart"
    port.acs, port.device = "none", 0x1D10
    assert verdict_what_if([port, below]) == "unknown"


def verdict_what_if(functions):
    done = run("--dump", "-", "--json", "--what-if", "iommu=on", "--why", functions[0].address, functions[1].address, text=dump(functions))
    return json.loads(done.stdout)["verdict"]


def test_what_if_of_this_machine(tmp_path):
    sysfs(tmp_path, off())
    done = run("--sysroot", str(tmp_path), "--json")
    assert "no IOMMU driver asked for it" in done.stderr and len(json.loads(done.stdout)["groups"]) == 1
    done = run("--sysroot", str(tmp_path), "--json", "--what-if", "iommu=on")
    assert len(json.loads(done.stdout)["groups"]) == 4


def test_power_of_this_machine(tmp_path):
    sysfs(tmp_path, grouped("E02", ""))
    assert run("--sysroot", str(tmp_path), "--verify").returncode == DIFFER
    (tmp_path / "proc/ppc64").mkdir()
    done = run("--sysroot", str(tmp_path), "--verify")
    assert done.returncode == UNDECIDED and "not checked: on POWER" in done.stdout


@pytest.mark.parametrize("arguments, groups, sentence", [
    (["--what-if", "iommu=on"], True, "there are IOMMU groups, so the IOMMU is on"),
    (["--what-if", "iommu=on", "--verify"], False, "--verify compares with groups that there are"),
    (["--what-if", "iommu=pt"], False, "it must be iommu=on"),
])
def test_what_if_that_makes_no_sense(arguments, groups, sentence):
    done = run("--dump", "-", *arguments, text=dump(grouped("E01") if groups else EXAMPLES["E01"][0]))
    assert done.returncode == TROUBLE and sentence in done.stderr


# Lists of groups

LISTS = {
    "wiki": """IOMMU Group 5:
\t00:01.0 PCI bridge [0604]: Example RP [1234:5678] (rev 01)
IOMMU Group 12:
\t01:00.0 Ethernet controller [0200]: Example A [1234:5679]
\t01:00.1 Ethernet controller [0200]: Example B [1234:5679]
""",
    "wiki, with drivers": """IOMMU Group 5:
\t00:01.0 PCI bridge [0604]: Example RP [1234:5678] (rev 01)
\tKernel driver in use: pcieport
IOMMU Group 12:
\t01:00.0 Ethernet controller [0200]: Example A [1234:5679]
\tSubsystem: Example A [1234:0001]
\tKernel driver in use: example
\tKernel modules: example
\t01:00.1 Ethernet controller [0200]: Example B [1234:5679]
\tKernel driver in use: vfio-pci
""",
    "one line each": """IOMMU Group 5 00:01.0 PCI bridge [0604]: Example RP [1234:5678] (rev 01)
IOMMU Group 12 01:00.0 Ethernet controller [0200]: Example A [1234:5679]
IOMMU Group 12 01:00.1 Ethernet controller [0200]: Example B [1234:5679]
""",
    "with marks": """Group 5:  [1234:5678]     00:01.0  PCI bridge    Example RP
Group 12: [1234:5679] [R] 01:00.0  Ethernet      Example A
          [1234:5679] [R] 01:00.1  Ethernet      Example B
""",
    "unRAID": """IOMMU group 5:\t[1234:5678] 00:01.0 PCI bridge: Example RP (rev 01)
IOMMU group 12:\t[1234:5679] 01:00.0 Ethernet controller: Example A
\t\t\t[1234:5679] 01:00.1 Ethernet controller: Example B
""",
    "find": """/sys/kernel/iommu_groups/12/devices/0000:01:00.0
/sys/kernel/iommu_groups/12/devices/0000:01:00.1
/sys/kernel/iommu_groups/5/devices/0000:00:01.0
""",
    "vmm": "\n".join(f"""Slot:\t{address}
Class:\t{kind}
Vendor:\tExample
Device:\tName
Driver:\texample
IOMMUGroup:\t{group}
""" for address, kind, group in (("00:01.0", "PCI bridge", 5), ("01:00.0", "Ethernet controller", 12), ("0000:01:00.1", "Ethernet controller", 12))) + "\n",
    "virsh": "".join(f"""<device>
  <name>pci_0000_{address}</name>
  <path>/sys/devices/pci0000:00/0000:00:01.0</path>
  <driver>
    <name>example</name>
  </driver>
  <capability type='pci'>
    <class>0x020000</class>
    <product id='0x5679'>Name</product>
    <vendor id='0x1234'>Example</vendor>
    <iommuGroup number='{group}'>
{members}
    </iommuGroup>
  </capability>
</device>
""" for address, group, members in (
        ("00_01_0", 5, "      <address domain='0x0000' bus='0x00' slot='0x01' function='0x0'/>"),
        ("01_00_0", 12, "      <address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>\n"
                        "      <address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/>"),
    )),
    "pvesh": """┌──────────┬────────┬──────────────┬────────────┬────────┐
│ class    │ device │ id           │ iommugroup │ vendor │
╞══════════╪════════╪══════════════╪════════════╪════════╡
│ 0x060400 │ 0x5678 │ 0000:00:01.0 │          5 │ 0x1234 │
├──────────┼────────┼──────────────┼────────────┼────────┤
│ 0x020000 │ 0x5679 │ 0000:01:00.0 │         12 │ 0x1234 │
├──────────┼────────┼──────────────┼────────────┼────────┤
│ 0x020000 │ 0x5679 │ 0000:01:00.1 │         12 │ 0x1234 │
└──────────┴────────┴──────────────┴────────────┴────────┘
""",
    "pvesh in JSON": "[\n" + ",\n".join(f"""   {{
      "class" : "0x020000",
      "device" : "0x5679",
      "id" : "{address}",
      "iommugroup" : {group},
      "vendor" : "0x1234"
   }}""" for address, group in (("0000:00:01.0", 5), ("0000:01:00.0", 12), ("0000:01:00.1", 12))) + "\n]\n",
}
LISTED = {"0000:00:01.0": 5, "0000:01:00.0": 12, "0000:01:00.1": 12}


def listed_functions():
    return [rp("ACS"), Function("F0", "01:00.0", multifunction=True), Function("F1", "01:00.1")]


@pytest.mark.parametrize("name", LISTS)
def test_list_of_groups(name):
    assert groups_of(LISTS[name]) == LISTED
    # What functions can do is not told by a list
    assert verify(LISTS[name]).returncode == UNDECIDED


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("place", ["before", "directly before", "after"])
def test_list_beside_lspci(name, place):
    """An lspci that is too old to print groups."""
    text = dump(listed_functions())
    text = {"before": LISTS[name] + "\n" + text, "directly before": LISTS[name] + text, "after": text + LISTS[name]}[place]
    assert groups_of(text) == LISTED
    assert verify(text).returncode == AGREE
    wrong = text.replace("group 12\n", "group 13\n")
    assert verify(wrong).returncode in (AGREE, DIFFER, TROUBLE)


@pytest.mark.parametrize("name", ["wiki", "one line each", "unRAID", "find", "pvesh in JSON"])
@pytest.mark.parametrize("change", ["quoted", "wrapped at 66", "numbered", "CRLF", "double spaced", "bars", "UTF-16", "indentation lost"])
def test_changed_list(name, change):
    if change == "indentation lost":
        text = "\n".join(line.lstrip() for line in LISTS[name].split("\n"))
    else:
        text = pasted.encoded(pasted.CHANGES[change](LISTS[name]))
    assert groups_of(text) == LISTED


def test_list_that_contradicts_lspci():
    functions = listed_functions()
    for fn, group in zip(functions, (5, 12, 13)):
        fn.group = group
    done = verify(LISTS["wiki"] + "\n" + dump(functions))
    assert done.returncode == TROUBLE and "is there a second time and differs" in done.stderr


def test_list_of_some_functions_decides_nothing():
    text = dump(listed_functions()) + "\nIOMMU Group 5:\n\t00:01.0 PCI bridge [0604]: Example RP\n"
    done = verify(text)
    assert done.returncode == UNDECIDED and "unknown: the group of 0000:01:00.0, 0000:01:00.1" in done.stdout


def test_heading_does_not_take_what_is_not_below_it():
    """All of lspci -v behind the last heading, without an empty line between."""
    text = LISTS["wiki"].split("IOMMU Group 12")[0] + dump(listed_functions())
    assert groups_of(text) == {"0000:00:01.0": 5, "0000:01:00.0": None, "0000:01:00.1": None}


def test_filtered_lspci_has_no_headings():
    """lspci -vvv | grep -E '^[0-9]|IOMMU': the lines with groups are of the functions above them."""
    text = "".join(f"{fn.address} PCI bridge: x\n\tIOMMU group: {at}\n" for at, fn in enumerate(listed_functions()))
    assert groups_of(text) == {"0000:00:01.0": 0, "0000:01:00.0": 1, "0000:01:00.1": 2}


# The census


def test_census(tmp_path):
    (tmp_path / "a-same").write_text(dump(grouped("E01")))
    (tmp_path / "b-larger").write_text(dump(grouped("E05", "{A,D1} {B,D2}")))
    (tmp_path / "c-smaller").write_text(dump(grouped("E01", "{A,RP}")))
    (tmp_path / "d-unknown").write_text(dump(grouped("E01")) + "[...]\n")
    (tmp_path / "e-none").write_text(dump(EXAMPLES["E01"][0]))
    (tmp_path / "f-nothing").write_text("hello\n")
    found = {path.name: census.verdict_of(program(), path)[:2] for path in census.texts_of(tmp_path)}
    assert [verdict for verdict, _ in found.values()] == ["same", "larger", "smaller", "not known", "no groups", "no answer"]
    assert found["b-larger"][1].startswith("unsafe: 0000:02:00.0 (group 2) and 0000:02:01.0")
    assert "leaves something out at line" in found["d-unknown"][1]
