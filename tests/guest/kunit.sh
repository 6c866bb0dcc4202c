#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# Hands on what the KUnit suites of the kernel have found while it booted.

results=/sys/kernel/debug/kunit

# shellcheck disable=SC2012 # names of suites are plain
suites=$(ls "$results" | wc -l)
echo "KTAP version 1"
if [ "$suites" = 0 ]; then
	echo "1..1"
	echo "not ok 1 the kernel has run a suite (kunit.enable=1 makes it)"
	exit 1
fi
echo "1..$suites"

status=0
number=0
for suite in "$results"/*; do
	number=$((number + 1))
	name=${suite##*/}
	grep -E '^(    |# )' "$suite/results"
	if grep -qx "ok 1 $name" "$suite/results"; then
		echo "ok $number $name"
	else
		echo "not ok $number $name"
		status=1
	fi
done
exit $status
