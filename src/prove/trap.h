/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap - a machine of the attacker's that he has turned against who works on it from outside: the
 * host's programs that start, enter, stop and remove it
 */
#ifndef CROFT_PROVE_TRAP_H
#define CROFT_PROVE_TRAP_H

#include "base/attrs.h"
#include "prove/row.h"

#define TRAP_MACHINE "trap"

/** trap_open() - makes the machine. Return: whether it runs; else the verdict is set */
nodiscard bool trap_open(struct scene *scene, struct trial *trial);

/** trap_shell() - runs a script in it. Return: exit status; -errno */
int trap_shell(const struct scene *scene, const char *script, char *output, size_t size);

/** trap_words() - runs croft with these words as its owner; most that is said here is a refusal */
int trap_words(const struct scene *scene, const char *const *words, char *output, size_t size);

/** trap_close() - removes it. Return: whether that worked; else the verdict is set */
bool trap_close(struct scene *scene, struct trial *trial);

/** trap_entries() - how many files a directory of the host holds: links must add none */
size_t trap_entries(const char *path);

/**
 * trap_control() - the control of every link: as host root, by name, a file is made behind it
 * Return: whether it appeared; else the verdict is set. With --unwalled the verdict is LEAKED.
 */
nodiscard bool trap_control(struct scene *scene, struct trial *trial);

/** trap_layers_hash() - one number over all image layers of both users, as the host reads them */
uint64_t trap_layers_hash(const struct scene *scene);

#endif
