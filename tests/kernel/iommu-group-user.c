// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that uses groups by what is exported: it makes one, names it, listens to it, and
 * puts a device of its own into it.  tests/guest/fail_nth.c loads and unloads it.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/notifier.h>

static struct device *dev;
static struct iommu_group *group;

static int event(struct notifier_block *nb, unsigned long action, void *data)
{
	return NOTIFY_OK;
}

static struct notifier_block listener = { .notifier_call = event };

static int __init iommu_group_user_init(void)
{
	int ret;

	dev = root_device_register("iommu-group-user");
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	group = iommu_group_alloc();
	if (IS_ERR(group)) {
		ret = PTR_ERR(group);
		goto err_device;
	}
	ret = iommu_group_set_name(group, "user");
	if (ret)
		goto err_group;
	ret = iommu_group_register_notifier(group, &listener);
	if (ret)
		goto err_group;
	ret = iommu_group_add_device(group, dev);
	if (ret)
		goto err_listener;
	return 0;

err_listener:
	iommu_group_unregister_notifier(group, &listener);
err_group:
	iommu_group_put(group);
err_device:
	root_device_unregister(dev);
	return ret;
}
module_init(iommu_group_user_init);

static void __exit iommu_group_user_exit(void)
{
	iommu_group_remove_device(dev);
	iommu_group_unregister_notifier(group, &listener);
	iommu_group_put(group);
	root_device_unregister(dev);
}
module_exit(iommu_group_user_exit);

MODULE_DESCRIPTION("A user of IOMMU groups that comes and goes");
MODULE_LICENSE("GPL");
