#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# The cost of forming groups, for mixes and numbers of functions: bench=MIX:N:M,... on the
# kernel command line.  Each line of data is what tests/kernel/iommu-group-bench.c says.

file=/sys/kernel/debug/iommu-group-bench
wanted=$(sed -n 's/^\(.* \)\?bench=\([^ ]*\).*/\2/p' /proc/cmdline | tr , ' ')

# shellcheck disable=SC2086 # one word for each
set -- $wanted
echo "KTAP version 1"
echo "1..$#"
number=0
for pair in "$@"; do
	number=$((number + 1))
	if echo "$pair" | tr : " " >$file; then
		echo "# data: bench ${pair%%:*} $(cat $file)"
		echo "ok $number $pair"
	else
		echo "not ok $number $pair"
	fi
done
