/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * KTAP on standard output, for the programs that init runs in the guest.
 *
 *	int main(void)
 *	{
 *		ktap_plan(2);
 *		ok(open(...) >= 0, "the device opens");
 *		skip("no such hardware", "the device resets");
 *		return ktap_status();
 *	}
 *
 * A test program prints its plan first and is judged by it: a check that was
 * announced and not made is a failure.  bail() ends a program that cannot go on.
 */
#ifndef KTAP_H
#define KTAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int ktap_planned;
static int ktap_made;
static int ktap_failed;

static inline void ktap_plan(int checks)
{
	ktap_planned = checks;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%d\n", checks);
}

/* Returns the condition, so that a caller can leave out what depends on it. */
__attribute__((format(printf, 2, 3)))
static inline bool ok(bool condition, const char *format, ...)
{
	va_list args;

	printf("%s %d ", condition ? "ok" : "not ok", ++ktap_made);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	if (!condition)
		ktap_failed++;
	return condition;
}

__attribute__((format(printf, 2, 3)))
static inline void skip(const char *reason, const char *format, ...)
{
	va_list args;

	printf("ok %d ", ++ktap_made);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" # SKIP %s\n", reason);
}

/* What was found, for whoever reads a failure.  Print it before its check. */
__attribute__((format(printf, 1, 2)))
static inline void diag(const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* What the host reads from the guest, e.g. "group 3 0000:00:05.0". */
__attribute__((format(printf, 1, 2)))
static inline void data(const char *format, ...)
{
	va_list args;

	printf("# data: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* The exit status of main(): 0 when everything announced was made and held. */
static inline int ktap_status(void)
{
	return ktap_failed || ktap_made != ktap_planned;
}

__attribute__((format(printf, 1, 2), noreturn))
static inline void bail(const char *format, ...)
{
	va_list args;

	printf("Bail out! ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(1);
}

#endif
