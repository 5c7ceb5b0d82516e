/* SPDX-License-Identifier: Apache-2.0 */
/* roads - who may become whom on this host, by what, and the command that closes it */
#ifndef CROFT_DOCTOR_ROADS_H
#define CROFT_DOCTOR_ROADS_H

#include "doctor/accounts.h"

/* One road: account @from (or ACCOUNT_EVERYBODY) may act as account @to. */
struct road {
    size_t from;
    size_t to;
    char *how;
    char *close;
    bool leads; /* at last to root; roads_follow() sets it */
};

struct roads {
    struct accounts *accounts;
    size_t root; /* the account named root, or the first of uid 0 */
    struct road *list;
    size_t count;
    char **notes; /* what could not be looked at */
    size_t note_count;
};

void roads_init(struct roads *roads, struct accounts *accounts);
void roads_free(struct roads *roads);

/** roads_add() - @how and @close are taken over; a road from an account of uid 0 or to itself is
 * none, and of several that the same command closes the first stands for all */
void roads_add(struct roads *roads, size_t from, size_t to, char *how, char *close);

/** roads_add_group() - one for each account in the group @gid, with copies of @how and @close */
void roads_add_group(struct roads *roads, uint32_t gid, size_t to, const char *how,
                     const char *close);

/** roads_note() - something that could not be looked at; @note is taken over */
void roads_note(struct roads *roads, char *note);

/** roads_follow() - finds which lead to root, if need be by way of others; the rest does not count
 */
void roads_follow(struct roads *roads);

/** roads_of_users() - Return: how many of those that lead are open to a Croft user or everybody */
size_t roads_of_users(const struct roads *roads);

#endif
