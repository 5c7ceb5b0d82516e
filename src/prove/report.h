/* SPDX-License-Identifier: Apache-2.0 */
/* report - the rows as a table, as TAP version 13, or as one JSON object, on standard output */
#ifndef CROFT_PROVE_REPORT_H
#define CROFT_PROVE_REPORT_H

#include "prove/row.h"

enum report_form { REPORT_TABLE = 0, REPORT_TAP, REPORT_JSON };

/*
 * What a run was and what came of it.
 *
 * without:  bits of enum ablate; unwalled: no wall at all
 * start_boot_ns: when the run began, the making of users included
 * counts:   by enum verdict
 */
struct report {
    enum report_form form;
    size_t planned;
    size_t done;
    unsigned without;
    bool unwalled;
    uint64_t start_boot_ns;
    size_t counts[VERDICT_INCONCLUSIVE + 1];
};

void report_begin(const struct report *report);
/** report_row() - prints one row as soon as it is judged, and counts it */
void report_row(struct report *report, const struct trial *trial);
void report_end(const struct report *report);

/** report_list() - every row there is, with its mechanism */
void report_list(const struct row *const *rows, size_t count);

/**
 * report_passes() - what the exit status says
 *
 * Ordinarily nothing may leak and nothing may be in doubt. Where walls were taken away on purpose
 * it is the other way round: with all of them gone every row that applies must leak, with one gone
 * at least one.
 */
bool report_passes(const struct report *report);

#endif
