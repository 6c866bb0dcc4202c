// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The first program of the guest: runs the tests that tests=NAME,... of the kernel
 * command line names, reports them in KTAP on the serial port that results=NAME names,
 * ttyS1 without it, and switches off.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define MAX_TESTS 64

static const struct {
	const char *type;
	const char *directory;
} file_systems[] = {
	{ "proc", "/proc" },
	{ "sysfs", "/sys" },
	{ "devtmpfs", "/dev" },
	{ "debugfs", "/sys/kernel/debug" },
	{ "tracefs", "/sys/kernel/tracing" },
	{ "tmpfs", "/tmp" },
};

/*
 * What follows the last NAME= of the kernel command line, or otherwise; nothing if the last is
 * NAME alone.
 */
static void find_word(char *value, size_t size, const char *name, const char *otherwise)
{
	char line[4096] = "", *word, *rest = line;
	FILE *file = fopen("/proc/cmdline", "r");

	if (file) {
		if (!fgets(line, sizeof(line), file))
			line[0] = '\0';
		fclose(file);
	}
	snprintf(value, size, "%s", otherwise);
	while ((word = strsep(&rest, " \n"))) {
		if (!strncmp(word, name, strlen(name)) && word[strlen(name)] == '=')
			snprintf(value, size, "%s", word + strlen(name) + 1);
		else if (!strcmp(word, name))
			value[0] = '\0';
	}
}

/* For people: a shell on the console; its end switches off. */
static void run_shell(void)
{
	pid_t child = fork();

	if (!child) {
		execl("/bin/setsid", "setsid", "cttyhack", "sh", NULL);
		_exit(127);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
	reboot(RB_POWER_OFF);
}

static FILE *open_results(void)
{
	char name[32], path[64];
	struct termios settings;
	int port;

	find_word(name, sizeof(name), "results", "ttyS1");
	snprintf(path, sizeof(path), "/dev/%s", name);
	port = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (port < 0 || tcgetattr(port, &settings)) {
		perror(path);
		return NULL;
	}
	cfmakeraw(&settings);
	cfsetspeed(&settings, B115200);
	tcsetattr(port, TCSANOW, &settings);
	return fdopen(port, "w");
}

static void say(const char *name)
{
	FILE *log = fopen("/dev/kmsg", "w");

	if (log) {
		fprintf(log, "init: %s\n", name);
		fclose(log);
	}
}

/* Whether the program ends well; what it prints goes to the results, indented. */
static bool passes(const char *name, FILE *results)
{
	char *line = NULL, path[PATH_MAX];
	int ends[2], status;
	size_t size = 0;
	bool named = false;
	FILE *output;
	pid_t child;

	snprintf(path, sizeof(path), "/tests/%s", name);
	if (pipe2(ends, O_CLOEXEC))
		return false;
	child = fork();
	if (!child) {
		dup2(ends[1], STDOUT_FILENO);
		execl(path, path, NULL);
		perror(path);
		_exit(127);
	}
	close(ends[1]);
	output = fdopen(ends[0], "r");
	while (getline(&line, &size, output) > 0) {
		line[strcspn(line, "\n")] = '\0';
		fprintf(results, "    %s\n", line);
		/* Its first line is the version; the kernel's parser wants the name behind it */
		if (!named)
			fprintf(results, "    # Subtest: %s\n", name);
		named = true;
		fflush(results);
	}
	free(line);
	fclose(output);
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

int main(void)
{
	char names[1024], *tests[MAX_TESTS], *name, *rest = names;
	int count = 0;
	FILE *results;

	for (size_t i = 0; i < sizeof(file_systems) / sizeof(file_systems[0]); i++)
		mount(file_systems[i].type, file_systems[i].directory, file_systems[i].type, 0, NULL);
	setenv("PATH", "/bin", 1);

	find_word(names, sizeof(names), "shell", "no");
	if (!*names)
		run_shell();

	find_word(names, sizeof(names), "tests", "");
	while ((name = strsep(&rest, ",")) && count < MAX_TESTS) {
		if (*name)
			tests[count++] = name;
	}

	results = open_results();
	if (results) {
		fprintf(results, "KTAP version 1\n1..%d\n", count);
		for (int i = 0; i < count; i++) {
			say(tests[i]);
			fprintf(results, "%s %d %s\n", passes(tests[i], results) ? "ok" : "not ok", i + 1, tests[i]);
			fflush(results);
		}
		fclose(results);
	}
	reboot(RB_POWER_OFF);
	return 1;
}
