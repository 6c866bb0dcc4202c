/* SPDX-License-Identifier: GPL-2.0-only */
/* In place of the series' own file: lets its KUnit suite iommu-group-pci compile on stock */
#ifndef __LINUX_IOMMU_GROUP_H
#define __LINUX_IOMMU_GROUP_H

#include <linux/types.h>

#define PCI_GROUP_HAS_POLICIES 0

/* Of the PCI core, where the series shows it to the suite */
static int pci_acs_enable;

#endif /* __LINUX_IOMMU_GROUP_H */
