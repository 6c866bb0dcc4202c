/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a guest asks of the host, by a line that scripts/guest.py reads:
 *
 *	# host: device_add {"driver": "edu", "bus": "open-port"}
 *
 * is a command of QEMU's monitor.  There is no answer, the guest sees what becomes of
 * it; what QEMU refuses fails the run, in QEMU's words.
 */
#ifndef HOST_H
#define HOST_H

#include <stdio.h>

static inline void ask_host(const char *command, const char *arguments)
{
	printf("# host: %s %s\n", command, arguments);
}

#endif
