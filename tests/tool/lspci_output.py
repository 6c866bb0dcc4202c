# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Makes what lspci prints of a topology that is described in a few words."""

import dataclasses

ROOT_PORT, UPSTREAM, DOWNSTREAM = 4, 5, 6
ENDPOINT, TO_PCI, ROOT_ENDPOINT, COLLECTOR = 0, 7, 9, 10
CONVENTIONAL = None

WORDS = {
    ENDPOINT: "Endpoint",
    ROOT_PORT: "Root Port (Slot+)",
    UPSTREAM: "Upstream Port",
    DOWNSTREAM: "Downstream Port (Slot+)",
    TO_PCI: "PCI-Express to PCI/PCI-X Bridge",
    ROOT_ENDPOINT: "Root Complex Integrated Endpoint",
    COLLECTOR: "Root Complex Event Collector",
    1: "Legacy Endpoint",
    8: "PCI/PCI-X to PCI-Express Bridge",
}
# name in lspci, bit in the registers
SERVICES = (("SrcValid", 1), ("TransBlk", 2), ("ReqRedir", 4), ("CmpltRedir", 8), ("UpstreamFwd", 16),
            ("EgressCtrl", 32), ("DirectTrans", 64))
ISOLATING = 0x1D
# what is written in the worked examples: capability, control
ACS = {
    "ACS": (ISOLATING, ISOLATING), "off": (ISOLATING, 0), "empty": (0, 0), "none": None,
    "-SV": (ISOLATING, 0x1C), "-RR": (ISOLATING, 0x19), "-CR": (ISOLATING, 0x15), "-UF": (ISOLATING, 0x0D),
    "EC on": (0x3D, 0x3D), "EC off": (0x3D, 0x1D), "DT on": (0x5F, 0x5D), "DT and TB on": (0x5F, 0x5F), "TB off": (0x1F, 0x1D),
}


@dataclasses.dataclass
class Function:
    name: str
    address: str
    type: int = ENDPOINT
    acs: object = "none"
    buses: tuple = None
    multifunction: bool = False
    group: int = None
    bar: bool = True
    master: bool = True
    decodes: bool = True
    virtual_functions: tuple = None
    virtual: bool = False
    class_name: str = None
    hidden: bool = False
    vendor: int = 0x1234
    device: int = None
    # where some ports of Intel have the control register of ACS
    second_dword: int = None

    @property
    def registers(self):
        return ACS[self.acs] if isinstance(self.acs, str) else self.acs

    @property
    def full_address(self):
        return self.address if self.address.count(":") == 2 else f"0000:{self.address}"


def flags(value):
    return " ".join(name + ("+" if value & bit else "-") for name, bit in SERVICES)


def maker(fn):
    return "Intel Corporation" if fn.vendor == 0x8086 else "Example Corporation"


def title(fn):
    ids = "" if fn.device is None else f" [{fn.vendor:04x}:{fn.device:04x}]"
    return f"{maker(fn)} {fn.name}{ids}"


def verbose(fn, capabilities=True):
    """One function as `lspci -vvv' prints it."""
    class_name = fn.class_name or ("PCI bridge" if fn.buses else "Ethernet controller")
    lines = [
        f"{fn.address} {class_name}: {title(fn)} (rev 01)",
        f"\tControl: I/O{'+' if fn.decodes else '-'} Mem{'+' if fn.decodes else '-'} BusMaster{'+' if fn.master else '-'} SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR+ FastB2B- DisINTx+",
        "\tStatus: Cap+ 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR- <PERR- INTx-",
        "\tLatency: 0, Cache Line Size: 64 bytes",
    ]
    if fn.group is not None:
        lines.append(f"\tIOMMU group: {fn.group}")
    if fn.bar and not fn.virtual:
        lines.append("\tRegion 0: Memory at fe000000 (64-bit, non-prefetchable) [size=16K]")
    if fn.virtual:
        lines.append("\tRegion 0: [virtual] Memory at fe100000 (64-bit, prefetchable) [size=16K]")
    if fn.buses:
        lines.append(f"\tBus: primary={fn.address.split(':')[-2]}, secondary={fn.buses[0]:02x}, subordinate={fn.buses[1]:02x}, sec-latency=0")
        lines.append("\tBridgeCtl: Parity- SERR+ NoISA- VGA- VGA16- MAbort- >Reset- FastB2B-")
    if fn.hidden:
        lines.append("\tCapabilities: <access denied>")
    elif fn.type is not CONVENTIONAL:
        lines += [
            "\tCapabilities: [40] Power Management version 3",
            "\t\tFlags: PMEClk- DSI- D1- D2- AuxCurrent=0mA PME(D0-,D1-,D2-,D3hot-,D3cold-)",
            "\t\tStatus: D0 NoSoftRst+ PME-Enable- DSel=0 DScale=0 PME-",
            f"\tCapabilities: [50] Express (v2) {WORDS[fn.type]}, MSI 00",
            "\t\tDevCap:\tMaxPayload 512 bytes, PhantFunc 0",
            "\t\t\tExtTag+ RBE+",
            "\tCapabilities: [100 v1] Advanced Error Reporting",
            "\t\tUESta:\tDLP- SDES- TLP- FCP- CmpltTO- CmpltAbrt- UnxCmplt- RxOF- MalfTLP- ECRC- UnsupReq- ACSViol-",
        ]
        if fn.registers is not None:
            cap, ctrl = fn.registers
            lines += [
                "\tCapabilities: [148 v1] Access Control Services",
                f"\t\tACSCap:\t{flags(cap)}",
                f"\t\tACSCtl:\t{flags(ctrl)}",
            ]
        if fn.virtual_functions:
            number, offset, stride = fn.virtual_functions
            lines += [
                "\tCapabilities: [160 v1] Single Root I/O Virtualization (SR-IOV)",
                "\t\tIOVCap:\tMigration- 10BitTagReq- IntMsgNum 0",
                f"\t\tIOVCtl:\tEnable{'+' if number else '-'} Migration- Interrupt- MSE+ ARIHierarchy+ 10BitTagReq-",
                "\t\tIOVSta:\tMigration-",
                f"\t\tInitial VFs: 8, Total VFs: 8, Number of VFs: {number}, Function Dependency Link: 00",
                f"\t\tVF offset: {offset}, stride: {stride}, Device ID: 1234",
                "\t\tRegion 0: Memory at 00000000fe200000 (64-bit, prefetchable)",
            ]
    lines += ["\tKernel driver in use: example", "\tKernel modules: example", ""]
    return "\n".join(lines) + "\n"


def configuration(fn):
    """The bytes of configuration space."""
    extended = fn.type is not CONVENTIONAL
    data = bytearray(4096 if extended else 256)

    def put(at, size, value):
        data[at:at + size] = value.to_bytes(size, "little")

    put(0, 2, 0xFFFF if fn.virtual else fn.vendor)
    put(2, 2, 0xFFFF if fn.virtual else fn.device or 0x5678)
    put(4, 2, (3 if fn.decodes else 0) | (4 if fn.master else 0))
    put(10, 2, 0x0604 if fn.buses else 0x0600 if fn.class_name == "Host bridge" else 0x0200)
    put(14, 1, (1 if fn.buses else 0) | (0x80 if fn.multifunction else 0))
    if fn.bar and not fn.virtual:
        put(0x10, 4, 0xFE000000)
    if fn.buses:
        put(0x18, 1, int(fn.address.split(":")[-2], 16))
        put(0x19, 1, fn.buses[0])
        put(0x1A, 1, fn.buses[1])
    if not extended:
        return bytes(data)
    put(6, 2, 0x10)
    put(0x34, 1, 0x40)
    put(0x40, 2, 0x5001)
    put(0x50, 2, 0x0010)
    put(0x52, 2, 2 | fn.type << 4)
    chain = [(0x100, 0x0001)]
    if fn.registers is not None:
        chain.append((0x148, 0x000D))
        put(0x14C, 2, fn.registers[0])
        put(0x14E, 2, fn.registers[1])
        if fn.second_dword is not None:
            put(0x150, 4, fn.second_dword)
    if fn.virtual_functions:
        number, offset, stride = fn.virtual_functions
        chain.append((0x160, 0x0010))
        put(0x168, 2, 1 if number else 0)
        put(0x170, 2, number)
        put(0x174, 2, offset)
        put(0x176, 2, stride)
    for (at, identity), (following, _) in zip(chain, chain[1:] + [(0, 0)]):
        put(at, 4, identity | 1 << 16 | following << 20)
    return bytes(data)


def hexdump(fn, size=None):
    """One function as `lspci -xxxx' prints it."""
    data = configuration(fn)[:size]
    lines = [f"{fn.address} {fn.class_name or 'Ethernet controller'}: {title(fn)}"]
    for at in range(0, len(data), 16):
        lines.append(f"{at:02x}: " + " ".join(f"{byte:02x}" for byte in data[at:at + 16]))
    return "\n".join(lines) + "\n\n"


def both(fn):
    """As `lspci -vvv -xxxx' prints it."""
    return verbose(fn).rstrip("\n") + "\n" + hexdump(fn).split("\n", 1)[1]


def dump(functions, how=verbose):
    return "".join(how(fn) for fn in functions)
