/* SPDX-License-Identifier: Apache-2.0 */
/* records - reads a file of records from its start, one checked entry at a time, without a daemon
 */
#ifndef CROFT_CLI_RECORDS_H
#define CROFT_CLI_RECORDS_H

#include "base/err.h"
#include "wire/record.h"
#include <stdbool.h>

struct records; /* an open file of records */

/**
 * records_open() - opens @name ("1001" or "host") in the records' directory
 * Return: 0 with @ret_records (records_close() it); OUTCOME_NOT_FOUND; OUTCOME_NOT_PERMITTED;
 * FAILED
 */
nodiscard int records_open(const char *name, struct records **ret_records, struct err *err);

void records_close(struct records *records);
void records_cleanup(struct records **records);
#define auto_records cleanup_with(records_cleanup) struct records

/**
 * records_next() - the next entry, which is intact and follows the one before it
 * @ret_record: valid until the next call
 * @ret_end:    true: there is none (yet); asking again later may bring one
 *
 * Return: 0; OUTCOME_FAILED with a sentence: the chain is broken here
 */
nodiscard int records_next(struct records *records, const struct record **ret_record, bool *ret_end,
                           struct err *err);

/** records_payload() - of the last entry that was read. Return: borrowed until the next call */
const uint8_t *records_payload(const struct records *records, size_t *ret_size);

/** records_head() - the hash of the last entry that was read; zeroes before the first */
const uint8_t *records_head(const struct records *records);

/** records_count() - how many entries were read */
uint64_t records_count(const struct records *records);

/** records_torn() - whether bytes follow the last whole entry: one that is being written */
bool records_torn(const struct records *records);

#endif
