// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The cost of adding the virtual functions of all NVMe controllers that have some.  The
 * kernel sleeps 100 ms for each controller, which is no cost.  The ports above them let
 * nothing through to memory meanwhile: for each function that is to be seen there the
 * emulator would build its map of memory anew, and take all memory that the host has.
 */
#include <dirent.h>
#include <time.h>

#include "ktap.h"
#include "pci_config.h"

static long long cpu_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long read_number(const char *device, const char *file)
{
	char text[32];

	return read_line(text, sizeof(text), PCI_DEVICES "/%s/%s", device, file) > 0 ? atol(text) : 0;
}

static bool close_port_above(const char *function)
{
	char port[NAME_MAX + 1];

	return pci_above(port, sizeof(port), function) &&
	       pci_write(port, PCI_COMMAND, 2, pci_read(port, PCI_COMMAND, 2) & ~PCI_COMMAND_MEMORY);
}

int main(void)
{
	DIR *devices = opendir(PCI_DEVICES);
	struct dirent *entry;
	long long spent = 0;
	long added = 0;

	ktap_plan(1);
	if (!devices)
		bail("no PCI devices");
	while ((entry = readdir(devices))) {
		long vfs = read_number(entry->d_name, "sriov_totalvfs");
		char text[16];
		long long start;

		if (vfs <= 0 || !close_port_above(entry->d_name))
			continue;
		write_text("0", PCI_DEVICES "/%s/sriov_drivers_autoprobe", entry->d_name);
		snprintf(text, sizeof(text), "%ld", vfs);
		start = cpu_time();
		write_text(text, PCI_DEVICES "/%s/sriov_numvfs", entry->d_name);
		spent += cpu_time() - start;
		added += read_number(entry->d_name, "sriov_numvfs");
	}
	closedir(devices);
	if (ok(added > 0, "virtual functions are added"))
		data("vfs %ld %lld", added, spent / added);
	return ktap_status();
}
