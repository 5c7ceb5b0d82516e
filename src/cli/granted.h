/* SPDX-License-Identifier: Apache-2.0 */
/* granted - how a grant is said: what, until when, and what its grantee types */
#ifndef CROFT_CLI_GRANTED_H
#define CROFT_CLI_GRANTED_H

#include "base/attrs.h"
#include "cli/target.h"
#include "wire/grant.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define GRANTED_TEXT_SIZE 160

/** granted_check() - ends the strings of what the monitor sent, whatever they are */
void granted_check(struct grant_view *view);

/** granted_what() - "db:5432", with an owner's name (not "") "db.alice:5432". Return: @buf */
char *granted_what(const struct grant_terms *terms, const char *machine, const char *owner,
                   char buf[TARGET_TEXT_SIZE]);

/** granted_end_wall() - when it ends, as the clock stands now. Return: 0: never */
uint64_t granted_end_wall(const struct grant_view *view);

/** granted_end() - "until 2026-12-01 18:00:00 (7h59m)", "for ever". Return: @buf */
char *granted_end(const struct grant_view *view, char buf[GRANTED_TEXT_SIZE]);

/** granted_use() - what its grantee types: "psql -h db.alice", "db.alice port 5000". Return: @buf
 */
char *granted_use(const struct grant_view *view, char buf[GRANTED_TEXT_SIZE]);

/** granted_json() - all of it. Return: new reference */
json_t *granted_json(const struct grant_view *view);

/**
 * granted_print() - what the owner reads after grant and approve; warnings on standard error
 * @started_ns: CLOCK_BOOTTIME when the command began
 */
void granted_print(struct reply_grant *reply, bool json, uint64_t started_ns);

/** granted_add_ms() - adds "ms", the milliseconds since @started_ns, to @object */
void granted_add_ms(json_t *object, uint64_t started_ns);

#endif
