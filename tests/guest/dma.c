// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Writes a pattern to the first NVMe disk past the page cache, reads it back into other
 * memory and compares.  Tells the host of what type the domain is that the disk used:
 *
 *	# data: disk DMA-FQ
 */
#define _GNU_SOURCE
#include <time.h>

#include "ktap.h"
#include "pci_sysfs.h"

#define LENGTH (4 << 20)
#define CHUNK (128 << 10)

/* The disk of a controller, which has its number in the order in which controllers came. */
static int open_disk(const char *function)
{
	char controllers[PATH_MAX], path[PATH_MAX];

	snprintf(controllers, sizeof(controllers), PCI_DEVICES "/%s/nvme", function);
	/* Probed in the background. */
	for (int tries = 0; tries < 100; tries++) {
		DIR *directory = opendir(controllers);
		struct dirent *entry;
		int disk = -1;

		while (directory && (entry = readdir(directory))) {
			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "/dev/%sn1", entry->d_name);
			disk = open(path, O_RDWR | O_DIRECT);
		}
		if (directory)
			closedir(directory);
		if (disk >= 0)
			return disk;
		usleep(100 * 1000);
	}
	return -1;
}

static bool moved(ssize_t (*move)(int disk, char *buffer, off_t at), int disk, char *buffer)
{
	for (off_t at = 0; at < LENGTH; at += CHUNK) {
		ssize_t length = move(disk, buffer + at, at);

		if (length != CHUNK) {
			diag("%zd bytes at %lld: %s", length, (long long)at, strerror(errno));
			return false;
		}
	}
	return true;
}

static ssize_t write_at(int disk, char *buffer, off_t at)
{
	return pwrite(disk, buffer, CHUNK, at);
}

static ssize_t read_at(int disk, char *buffer, off_t at)
{
	return pread(disk, buffer, CHUNK, at);
}

static void report_type(const char *function)
{
	char type[64];

	if (pci_group(function) < 0)
		data("disk ungrouped");
	else if (read_line(type, sizeof(type), GROUPS "/%d/type", pci_group(function)) > 0)
		data("disk %s", type);
}

int main(void)
{
	char *function = pci_find_class(0x010802), *written, *read;
	int disk;

	ktap_plan(4);
	if (!function)
		bail("no NVMe controller in this machine");
	report_type(function);

	if (posix_memalign((void **)&written, 4096, LENGTH) ||
	    posix_memalign((void **)&read, 4096, LENGTH))
		bail("no memory");
	srandom(time(NULL));
	for (int i = 0; i < LENGTH; i++)
		written[i] = random();
	memset(read, 0, LENGTH);

	disk = open_disk(function);
	if (!ok(disk >= 0, "the disk is there"))
		return 1;
	ok(moved(write_at, disk, written), "the disk takes the pattern");
	ok(moved(read_at, disk, read), "the disk gives it back");
	ok(!memcmp(written, read, LENGTH), "the data is the same");

	return ktap_status();
}
