/* SPDX-License-Identifier: Apache-2.0 */
/* grants_say - what the tests of grants say to the world, and what they find recorded */
#ifndef CROFT_TESTS_GRANTS_SAY_H
#define CROFT_TESTS_GRANTS_SAY_H

#include "grants_world.h"

/* tcp to @number, for ever; lasting(), until(): to 5432, with an end */
struct grant_terms port(uint16_t number);
struct order_grant to(const char *user, struct grant_terms terms);
int grant(enum world_user who, const char *machine, const char *user, struct grant_terms terms);
int revoke(enum world_user who, uint64_t id);
size_t grants_of(enum world_user who);
size_t asks_of(enum world_user who);
/* A grant of db's port to bob that is open. Return: its id */
uint64_t granted(struct grant_terms terms);
/* How many records of @type stand in the file of @who, in @phase. */
size_t recorded(enum world_user who, uint32_t type, uint32_t phase);
/* How the last end in the file of @who came. Return: enum grant_over; 0: none ended */
uint32_t last_over(enum world_user who);
/* @rc and the answer are @outcome, with a sentence. */
void refused(int rc, int outcome);
struct grant_terms lasting(uint64_t ns);
struct grant_terms until(uint64_t wall_ns);

#endif
