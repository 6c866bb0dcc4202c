// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* A device that is unplugged leaves its group with a line in the log. */
#define _GNU_SOURCE
#include "kernel_log.h"
#include "ktap.h"
#include "pci_sysfs.h"

int main(void)
{
	char *device = pci_find(0x1234, 0x11e8);
	char line[64], record[1024];
	int log = kernel_log_from_now();

	ktap_plan(1);
	if (!device || pci_group(device) < 0)
		bail("needs an edu device in a group");

	snprintf(line, sizeof(line), "Removing from iommu group %d", pci_group(device));
	write_text("1", PCI_DEVICES "/%s/remove", device);
	ok(kernel_log_next(log, record, sizeof(record), device, line), "C11 a removal is logged");
	write_text("1", "/sys/bus/pci/rescan");

	return ktap_status();
}
