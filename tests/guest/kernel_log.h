/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What the kernel has logged, and what it logs from a moment on. */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The records of the log are read from its beginning. */
static inline int kernel_log_open(void)
{
	return open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* Only records that come from now on are read. */
static inline int kernel_log_from_now(void)
{
	int log = kernel_log_open();

	lseek(log, 0, SEEK_END);
	return log;
}

/* Reads on to the next record that holds both words. */
static inline bool kernel_log_next(int log, char *record, size_t size,
				   const char *word, const char *other)
{
	ssize_t length;

	while ((length = read(log, record, size - 1)) > 0) {
		record[length] = '\0';
		record[strcspn(record, "\n")] = '\0';
		if (strstr(record, word) && strstr(record, other))
			return true;
	}
	return false;
}

#endif
