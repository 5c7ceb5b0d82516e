/* SPDX-License-Identifier: Apache-2.0 */
/* hostproc - what the host's /proc says about processes: where every judgement looks in the end */
#ifndef CROFT_PROVE_HOSTPROC_H
#define CROFT_PROVE_HOSTPROC_H

#include "base/attrs.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** hostproc_text() - a file of /proc/PID, terminated, cut off at @size. Return: length; -errno */
nodiscard ssize_t hostproc_text(pid_t pid, const char *file, char *text, size_t size);

/** hostproc_field() - the first number behind @key in /proc/PID/status; @last: the last one
 * instead. Return: 0; -ENOENT; -errno */
nodiscard int hostproc_field(pid_t pid, const char *key, bool last, uint64_t *ret_value);

/** hostproc_find() - the process that is number @pid in pid namespace @pid_space. Return: pid; 0
 * none */
pid_t hostproc_find(uint64_t pid, uint64_t pid_space);

/** hostproc_by_exe() - a process that runs the program at @path. Return: pid; 0 none */
pid_t hostproc_by_exe(const char *path);

/** hostproc_init_of() - pid 1 of the pid namespace that @pid is in. Return: its host pid; 0 none */
pid_t hostproc_init_of(pid_t pid);

/** hostproc_space() - the number of @pid's pid namespace. Return: 0 not known */
uint64_t hostproc_space(pid_t pid);

/** hostproc_count() - processes in that pid namespace */
size_t hostproc_count(uint64_t pid_space);

/** hostproc_cpu_of_children() - CPU time of the living children of @pid, in microseconds */
uint64_t hostproc_cpu_of_children(pid_t pid);

/** hostproc_in_group() - whether every line of /proc/PID/cgroup that names a limiting controller
 * lies below /@group/; @line gets the first that does not */
bool hostproc_in_group(pid_t pid, const char *group, char *line, size_t size);

/* One line of an id map: host ids first .. first + count - 1. */
struct id_range {
    uint64_t first;
    uint64_t count;
};
#define ID_RANGES_MAX 8

/** hostproc_id_map() - every host uid that @pid's user namespace has. Return: how many ranges;
 * -errno */
nodiscard int hostproc_id_map(pid_t pid, struct id_range ret_ranges[ID_RANGES_MAX]);

/** hostproc_oom_kills() - of the whole host since boot */
uint64_t hostproc_oom_kills(void);

/** hostproc_mounts_hash() - SHA-256 of /proc/PID/mountinfo, the first 8 bytes; 0: not readable */
uint64_t hostproc_mounts_hash(pid_t pid);

#endif
