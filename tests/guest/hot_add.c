// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Has the host add devices to the machine intel-late or amd-late while it runs, in
 * every order that QEMU allows.  Who is in which group then, tells the test `groups`.
 *
 * QEMU shows functions 1 to 7 of a device to the guest with function 0, and not before.
 */
#define _GNU_SOURCE
#include <time.h>

#include "host.h"
#include "ktap.h"
#include "pci_config.h"

#define FUNCTION(id, bus, addr) \
	"{\"driver\": \"qemu-xhci\", \"id\": \"" id "\", \"bus\": \"" bus \
	"\", \"addr\": \"" addr "\", \"multifunction\": true}"
/* Of the functions of a device only number 0 need say that there are others. */
#define FUNCTION_AMONG(id, bus, addr) \
	"{\"driver\": \"qemu-xhci\", \"id\": \"" id "\", \"bus\": \"" bus \
	"\", \"addr\": \"" addr "\"}"
#define EDU(id, bus, addr) \
	"{\"driver\": \"edu\", \"id\": \"" id "\", \"bus\": \"" bus "\", \"addr\": \"" addr "\"}"
#define DOWNSTREAM(id, bus, addr, chassis) \
	"{\"driver\": \"xio3130-downstream\", \"id\": \"" id "\", \"bus\": \"" bus \
	"\", \"addr\": \"" addr "\", \"chassis\": " chassis ", \"slot\": " chassis "}"
#define BRIDGE(driver, id, bus) \
	"{\"driver\": \"" driver "\", \"id\": \"" id "\", \"bus\": \"" bus "\"}"

static const struct {
	const char *device;
	/* So many functions appear. */
	int appear;
} additions[] = {
	{ FUNCTION("function-1", "functions-port", "00.1"), 0 },
	{ FUNCTION("function-2", "functions-port", "00.2"), 0 },
	{ FUNCTION("function-0", "functions-port", "00.0"), 3 },
	{ FUNCTION_AMONG("other-2", "others-port", "00.2"), 0 },
	{ FUNCTION_AMONG("other-1", "others-port", "00.1"), 0 },
	{ FUNCTION("other-0", "others-port", "00.0"), 3 },

	{ EDU("below-open-port", "open-port", "00.0"), 1 },
	{ EDU("below-acs-port", "acs-port", "00.0"), 1 },

	{ DOWNSTREAM("switch-1", "switch", "00.0", "101"), 1 },
	{ EDU("below-switch-1", "switch-1", "00.0"), 1 },
	{ DOWNSTREAM("switch-2", "switch", "01.0", "102"), 1 },
	{ EDU("below-switch-2", "switch-2", "00.0"), 1 },

	{ DOWNSTREAM("swap-2", "swap", "01.0", "103"), 1 },
	{ DOWNSTREAM("swap-1", "swap", "00.0", "104"), 1 },
	{ EDU("below-swap-2", "swap-2", "00.0"), 1 },
	{ EDU("below-swap-1", "swap-1", "00.0"), 1 },

	{ BRIDGE("x3130-upstream", "upstream", "upstream-port"), 1 },

	{ BRIDGE("pcie-pci-bridge", "bridge", "bridge-port"), 1 },
	{ EDU("below-bridge-1", "bridge", "01.0"), 1 },
	{ EDU("below-bridge-2", "bridge", "02.0"), 1 },
};

#define ADDITIONS (int)(sizeof(additions) / sizeof(additions[0]))

/* The kernel looks itself, whether the machine tells it of additions or not. */
static bool await_functions(int wanted)
{
	time_t deadline = time(NULL) + 10;

	do {
		usleep(50000);
		write_text("1", "/sys/bus/pci/rescan");
	} while (entries_of(PCI_DEVICES) < wanted && time(NULL) < deadline);
	return entries_of(PCI_DEVICES) == wanted;
}

/* What PCI sees of a port after it got another number of its last bus. */
static void renumber(const char *port, int last)
{
	if ((int)pci_read(port, PCI_SUBORDINATE_BUS, 1) == last)
		return;
	pci_write(port, PCI_SUBORDINATE_BUS, 1, last);
	write_text("1", PCI_DEVICES "/%s/remove", port);
	write_text("1", "/sys/bus/pci/rescan");
}

/*
 * Bus numbers for switches that grow: the upstream port gets all that firmware left to its
 * root port, and a downstream port one, because the kernel gives the first to come all.
 */
static void share_bus_numbers(void)
{
	struct dirent **entries;
	char above[NAME_MAX + 1];
	int count = scandir(PCI_DEVICES, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (pcie_type(name) == PCI_EXP_TYPE_UPSTREAM && pci_above(above, sizeof(above), name))
			renumber(name, pci_read(above, PCI_SUBORDINATE_BUS, 1));
		else if (pcie_type(name) == PCI_EXP_TYPE_DOWNSTREAM)
			renumber(name, pci_read(name, PCI_SECONDARY_BUS, 1));
	}
}

/*
 * A downstream port that came late has its slot switched off, as an empty slot is, and no
 * driver that would switch it on: firmware keeps hotplug to itself.
 */
static void switch_slots_on(void)
{
	struct dirent **entries;
	int count = scandir(PCI_DEVICES, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		int control = pci_express(name) + PCI_EXP_SLTCTL;

		if (pcie_type(name) == PCI_EXP_TYPE_DOWNSTREAM)
			pci_write(name, control, 2, pci_read(name, control, 2) & ~PCI_EXP_SLTCTL_PCC);
	}
}

int main(void)
{
	int wanted = entries_of(PCI_DEVICES);

	ktap_plan(ADDITIONS);
	share_bus_numbers();
	for (int i = 0; i < ADDITIONS; i++) {
		ask_host("device_add", additions[i].device);
		wanted += additions[i].appear;
		ok(await_functions(wanted), "%d appear with %s", additions[i].appear,
		   additions[i].device);
		share_bus_numbers();
		switch_slots_on();
	}
	return ktap_status();
}
