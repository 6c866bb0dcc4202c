// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests of faults and load need of the kernel
 *
 * A user of all groups that comes and goes, beside whatever else happens to them.
 *
 * While iommu_group_load.watch is 1, a thread takes each group in turn, registers a
 * notifier with replay, looks at the members, and unregisters.  Both numbers below can
 * be read in /sys/module/iommu_group_load/parameters.
 *
 * With iommu_group_load.fail=1, KUnit, which runs before there is a user space, can
 * make allocations fail though they may wait.
 *
 * pciehp of 6.12 takes its reset_lock both outside of pci_rescan_remove_lock and within it.
 * lockdep would tell that at the first hotplug, and look at no lock from then on, so it is
 * told to leave that one alone.
 */
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/sched.h>

#include "../pci/hotplug/pciehp.h"
#include "group/group.h"

static unsigned int watches;
module_param(watches, uint, 0444);
MODULE_PARM_DESC(watches, "How often a notifier was registered");

static unsigned int surprises;
module_param(surprises, uint, 0444);
MODULE_PARM_DESC(surprises, "Events after the end of a registration, and registrations that failed");

struct watch {
	struct notifier_block nb;
	bool registered;
};

static int watch_event(struct notifier_block *nb, unsigned long event,
		       void *data)
{
	struct watch *watch = container_of(nb, struct watch, nb);
	struct device *dev = data;

	if (!READ_ONCE(watch->registered) || !dev_name(dev))
		surprises++;
	return NOTIFY_OK;
}

static int count_member(struct device *dev, void *data)
{
	++*(int *)data;
	return 0;
}

static void watch_group(struct iommu_group *group)
{
	struct watch watch = {
		.nb.notifier_call = watch_event,
		.registered = true,
	};
	int members = 0;

	if (iommu_group_register_notifier_replay(group, &watch.nb)) {
		surprises++;
		return;
	}
	iommu_group_for_each_dev(group, &members, count_member);
	usleep_range(1000, 5000);
	if (iommu_group_unregister_notifier(group, &watch.nb))
		surprises++;
	WRITE_ONCE(watch.registered, false);
	watches++;
}

static int watch_groups(void *unused)
{
	struct iommu_group *group;
	unsigned long id;

	while (!kthread_should_stop()) {
		for (id = 0; (group = iommu_group_get_next(&id)); id++) {
			watch_group(group);
			iommu_group_put(group);
		}
		usleep_range(1000, 5000);
	}
	return 0;
}

static struct task_struct *watcher;

static int set_watch(const char *value, const struct kernel_param *param)
{
	struct task_struct *task;
	bool wanted;
	int ret;

	ret = kstrtobool(value, &wanted);
	if (ret || wanted == !!watcher)
		return ret;
	if (!wanted) {
		kthread_stop(watcher);
		watcher = NULL;
		return 0;
	}
	task = kthread_run(watch_groups, NULL, "iommu-group-load");
	if (IS_ERR(task))
		return PTR_ERR(task);
	watcher = task;
	return 0;
}

static int get_watch(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%d\n", !!watcher);
}

static const struct kernel_param_ops watch_ops = {
	.set = set_watch,
	.get = get_watch,
};

module_param_cb(watch, &watch_ops, NULL, 0600);
MODULE_PARM_DESC(watch, "Whether the thread runs");

static bool fail;
module_param(fail, bool, 0);
MODULE_PARM_DESC(fail, "Whether allocations that may wait fail when told to");

/* As user space would, by files of debugfs that KUnit cannot write to */
static void *find_knob(struct dentry *directory, const char *name)
{
	struct dentry *file = debugfs_lookup(name, directory);
	void *knob = file ? d_inode(file)->i_private : NULL;

	dput(file);
	return knob;
}

static int __init let_allocations_fail(void)
{
	struct dentry *directory;
	unsigned long *verbose;
	bool *ignore;

	if (!fail)
		return 0;
	directory = debugfs_lookup("failslab", NULL);
	if (!directory)
		return -ENOENT;
	ignore = find_knob(directory, "ignore-gfp-wait");
	verbose = find_knob(directory, "verbose");
	dput(directory);
	if (!ignore || !verbose)
		return -ENOENT;
	*ignore = false;
	*verbose = 0;
	return 0;
}
late_initcall_sync(let_allocations_fail);

static int ignore_reset_lock(struct device *dev, void *unused)
{
	struct pcie_device *service = to_pcie_device(dev);
	struct controller *ctrl = get_service_data(service);

	if (service->service == PCIE_PORT_SERVICE_HP && ctrl)
		lockdep_set_novalidate_class(&ctrl->reset_lock);
	return 0;
}

static int __init ignore_reset_locks(void)
{
	return bus_for_each_dev(&pcie_port_bus_type, NULL, NULL, ignore_reset_lock);
}
late_initcall_sync(ignore_reset_locks);
