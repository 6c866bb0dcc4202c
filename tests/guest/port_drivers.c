// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The driver of ports leaves DMA alone: it does not keep user space from a group with
 * ports in it, and is not blamed for what somebody else does.
 */
#define _GNU_SOURCE
#include <sys/prctl.h>

#include "vfio_checks.h"

/* Two endpoints without a driver in one group with a port that has one */
static bool find_endpoints_beside_port(char endpoint[2][NAME_MAX + 1], char *port, int *group)
{
	struct dirent **all;
	int count = scandir(PCI_DEVICES, &all, NULL, alphasort), endpoints = 0;
	bool found = false;

	for (int i = 0; i < count && !found; i++) {
		endpoints = 0;
		*group = pci_group(all[i]->d_name);
		if (*group < 0 || !pci_driver_is(all[i]->d_name, "pcieport"))
			continue;
		snprintf(port, NAME_MAX + 1, "%s", all[i]->d_name);
		for (int j = 0; j < count && endpoints < 2; j++) {
			if (pci_group(all[j]->d_name) == *group && !is_bridge(all[j]->d_name))
				snprintf(endpoint[endpoints++], NAME_MAX + 1, "%s", all[j]->d_name);
		}
		found = endpoints == 2;
	}
	for (int i = 0; i < count; i++)
		free(all[i]);
	if (count >= 0)
		free(all);
	return found;
}

int main(void)
{
	char endpoint[2][NAME_MAX + 1], port[NAME_MAX + 1], start[32], by_process[64], record[1024], name[17] = "";
	int group, device[2], iommufd[2], log_now, lines = 0, right = 0, blamed = 0;

	ktap_plan(6);
	write_text("Y", "/sys/module/iommufd/parameters/allow_unsafe_interrupts");
	if (!find_endpoints_beside_port(endpoint, port, &group))
		bail("no group here has a port with its driver and two endpoints");
	need(!pci_bind_vfio(endpoint[0]) && !pci_bind_vfio(endpoint[1]), "both endpoints are bound to vfio-pci");
	for (int i = 0; i < 2; i++) {
		device[i] = open_cdev(endpoint[i]);
		iommufd[i] = open_iommufd();
	}
	log_now = kernel_log_from_now();
	need(!bind_iommufd(device[0], iommufd[0]), "iommufd gets one beside a port with a driver");
	refused(bind_iommufd(device[1], iommufd[1]), EPERM, "another owner does not get the other");
	snprintf(start, sizeof(start), "iommu group %d: ", group);
	prctl(PR_GET_NAME, name);
	snprintf(by_process, sizeof(by_process), "refused: %s claimed the group", name);
	while (kernel_log_next(log_now, record, sizeof(record), start, "refused")) {
		diag("%s", strchr(record, ';') + 1);
		lines++;
		right += !!strstr(record, by_process);
		blamed += !!strstr(record, port) || !!strstr(record, "pcieport");
	}
	ok(lines == 1 && right == 1, "the log names the process that claimed the group, once");
	ok(!blamed, "it does not blame the port");
	ok(pci_driver_is(port, "pcieport"), "which has its driver all the time");
	for (int i = 0; i < 2; i++) {
		close(device[i]);
		close(iommufd[i]);
		pci_bind_host(endpoint[i]);
	}
	return ktap_status();
}
