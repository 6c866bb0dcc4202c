// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Who is refused the DMA of a group learns from the kernel log who is in the way: for each
 * of the ways to claim it one line that names what was wanted, the group, and the device with
 * its driver, or the process that claimed the group by the name that it had.  Tracers learn the
 * same.  A driver that leaves DMA alone, as that of ports does, is not in the way.
 */
#define _GNU_SOURCE
#include <sys/prctl.h>

#include "vfio_checks.h"

static int log_now;

/* One line of the group, and no other, since the last call. */
static bool told(int group, const char *who)
{
	char record[1024], start[32];
	int lines = 0, right = 0;

	snprintf(start, sizeof(start), "iommu group %d: ", group);
	while (kernel_log_next(log_now, record, sizeof(record), start, "refused")) {
		diag("%s", strchr(record, ';') + 1);
		lines++;
		right += !!strstr(record, who);
	}
	return lines == 1 && right == 1;
}

#define TRACING "/sys/kernel/tracing"

/* The next event of the group, once; "none" where nothing blocks */
static bool traced(int group, const char *device, const char *driver, const char *owner)
{
	static FILE *trace;
	char wanted[256], line[1024];
	int events = 0, right = 0;

	if (!trace)
		trace = fopen(TRACING "/trace_pipe", "r");
	if (!trace)
		return false;
	fcntl(fileno(trace), F_SETFL, O_NONBLOCK);
	snprintf(wanted, sizeof(wanted), "groupID=%d ", group);
	while (fgets(line, sizeof(line), trace)) {
		if (!strstr(line, "dma_owner_refused: ") || !strstr(line, wanted))
			continue;
		diag("%.*s", (int)strcspn(line, "\n"), line);
		snprintf(wanted, sizeof(wanted), "device=%s driver=%s owner=%s error=", device, driver, owner);
		events++;
		right += !!strstr(line, wanted);
	}
	clearerr(trace);
	return events == 1 && right == 1;
}

static int set_container(int group_fd, int container)
{
	return ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &container);
}

int main(void)
{
	char by_driver[NAME_MAX * 2], for_type[NAME_MAX * 3], by_process[64], name[17] = "";
	struct shared_group shared;
	int container, group_fd, device, iommufd, error;

	ktap_plan(15);
	write_text("Y", "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	write_text("Y", "/sys/module/iommufd/parameters/allow_unsafe_interrupts");
	if (!find_shared_group(&shared))
		bail(NO_SHARED_GROUP);
	snprintf(by_driver, sizeof(by_driver), "%s is bound to driver %s", shared.neighbour, shared.driver);
	snprintf(for_type, sizeof(for_type), ": change of type refused: %s", by_driver);
	prctl(PR_GET_NAME, name);
	snprintf(by_process, sizeof(by_process), "refused: %s claimed the group", name);
	log_now = kernel_log_from_now();
	write_text("1", TRACING "/events/iommu/dma_owner_refused/enable");

	error = write_text("identity", GROUPS "/%d/type", shared.group);
	ok(error == -EPERM, "the type of a group with a driver does not change");
	ok(told(shared.group, for_type), "... and the log names what was wanted, the device and its driver");
	ok(traced(shared.group, shared.neighbour, shared.driver, "none"), "... and so does the trace");

	need(!pci_bind_vfio(shared.ours), "one device is bound to vfio-pci");
	group_fd = open_group(shared.group);
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	error = set_container(group_fd, container);
	if (!error)
		error = ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
	refused(error, EPERM, "VFIO does not get the group");
	ok(told(shared.group, by_driver), "... and the log names the device and its driver");
	ok(traced(shared.group, shared.neighbour, shared.driver, "none"), "... and so does the trace");
	close(container);
	close(group_fd);

	device = open_cdev(shared.ours);
	iommufd = open_iommufd();
	refused(bind_iommufd(device, iommufd), EPERM, "iommufd does not get the device");
	ok(told(shared.group, by_driver), "... and the log names the device and its driver");
	ok(traced(shared.group, shared.neighbour, shared.driver, "none"), "... and so does the trace");

	need(!pci_unbind(shared.neighbour), "the other device loses its driver");
	need(!bind_iommufd(device, iommufd), "then iommufd gets the device");
	error = bind_driver(shared.neighbour, shared.driver);
	ok(error, "a driver does not get the other one");
	ok(told(shared.group, by_process), "... and the log names the process that claimed the group");
	ok(traced(shared.group, "none", "none", name), "... and so does the trace");

	close(device);
	close(iommufd);
	pci_bind_host(shared.ours);
	pci_bind_host(shared.neighbour);
	return ktap_status();
}
