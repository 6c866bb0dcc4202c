/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the kernel's command line says to a program, as NAME=NUMBER. */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include "pci_sysfs.h"

static inline int number_on_command_line(const char *name, int otherwise)
{
	char line[2048], wanted[64], *word;

	read_line(line, sizeof(line), "/proc/cmdline");
	snprintf(wanted, sizeof(wanted), " %s=", name);
	word = strstr(line, wanted);
	return word ? atoi(word + strlen(wanted)) : otherwise;
}

#endif
