/* SPDX-License-Identifier: Apache-2.0 */
/* report - the rows as a table, as TAP version 13, or as one JSON object */
#include "prove/report.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/clock.h"
#include "croft-paths.h"

static const char *const control_names[] = {"userns", "seccomp", "caps",
                                            "cgroup", "idrange", "nftables"};

/* Writes @text as a JSON string. It is printable ASCII: row_verdict() saw to that. */
static void json_string(const char *text)
{
    putchar('"');
    for (const char *at = text; *at; at++) {
        if (*at == '"' || *at == '\\')
            putchar('\\');
        putchar((unsigned char)*at < ' ' ? '?' : *at);
    }
    putchar('"');
}

static void json_member(const char *name, const char *text)
{
    printf("\"%s\": ", name);
    json_string(text);
}

/* Words for what was taken away; "" when nothing was. */
static void print_without(const struct report *report, const char *before, const char *quote)
{
    const char *comma = "";

    if (report->unwalled)
        printf("%s%s%s%s", before, quote, "every wall", quote);
    for (size_t i = 0; i < ARRAY_LEN(control_names); i++) {
        if (!(report->without & 1U << i))
            continue;
        printf("%s%s%s%s%s", comma[0] ? comma : before, quote, control_names[i], quote, "");
        comma = ", ";
    }
}

static void json_begin(const struct report *report)
{
    struct utsname host = {0};
    char date[32] = "";
    time_t now = time(NULL);
    struct tm utc;

    (void)uname(&host);
    if (gmtime_r(&now, &utc))
        (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
    printf("{");
    json_member("version", CROFT_VERSION);
    printf(", ");
    json_member("kernel", host.release);
    printf(", ");
    json_member("date", date);
    printf(", \"without\": [");
    print_without(report, "", "\"");
    printf("], \"rows\": [");
}

void report_begin(const struct report *report)
{
    if (report->form == REPORT_TAP)
        printf("TAP version 13\n1..%zu\n", report->planned);
    if (report->form == REPORT_JSON)
        json_begin(report);
    if (report->form == REPORT_TABLE) {
        print_without(report, "without ", "");
        if (report->without || report->unwalled)
            printf(":\n");
    }
    (void)fflush(stdout);
}

/* What the positive control came to: without it no verdict means anything. */
static const char *control_said(const struct trial *trial)
{
    return trial->control_said[0] ? trial->control_said : "did not run";
}

static void table_row(const struct trial *trial)
{
    printf("%-5s %c  %-12s  %s\n                        %s; control: %s\n", trial->row->id,
           trial->row->severity, verdict_name(trial->verdict), trial->row->title, trial->why,
           control_said(trial));
}

static void tap_row(const struct report *report, const struct trial *trial)
{
    bool fine = trial->verdict == VERDICT_BLOCKED || trial->verdict == VERDICT_CONTAINED ||
                trial->verdict == VERDICT_NA;

    printf("%s %zu - %s %s%s\n  ---\n  verdict: %s\n  why: ", fine ? "ok" : "not ok", report->done,
           trial->row->id, trial->row->title, trial->verdict == VERDICT_NA ? " # SKIP" : "",
           verdict_name(trial->verdict));
    json_string(trial->why);
    printf("\n  control: ");
    json_string(control_said(trial));
    printf("\n  mechanism: ");
    json_string(trial->row->mechanism);
    printf("\n  milliseconds: %ju\n  ...\n", (uintmax_t)trial->took_ms);
}

static void json_row(const struct report *report, const struct trial *trial)
{
    const char severity[] = {(char)trial->row->severity, '\0'};

    printf("%s\n{", report->done > 1 ? "," : "");
    json_member("id", trial->row->id);
    printf(", ");
    json_member("verdict", verdict_name(trial->verdict));
    printf(", ");
    json_member("severity", severity);
    printf(", ");
    json_member("who", trial->row->who);
    printf(", ");
    json_member("title", trial->row->title);
    printf(", ");
    json_member("mechanism", trial->row->mechanism);
    printf(", ");
    json_member("why", trial->why);
    printf(", ");
    json_member("control", control_said(trial));
    printf(", \"milliseconds\": %ju}", (uintmax_t)trial->took_ms);
}

void report_row(struct report *report, const struct trial *trial)
{
    report->done++;
    report->counts[trial->verdict]++;
    /* Where one control is missing, what it let through is the news. */
    if (report->form == REPORT_TABLE && (!report->without || trial->verdict == VERDICT_LEAKED))
        table_row(trial);
    if (report->form == REPORT_TAP)
        tap_row(report, trial);
    if (report->form == REPORT_JSON)
        json_row(report, trial);
    (void)fflush(stdout);
}

/* The line by which a run is known. */
static void table_end(const struct report *report)
{
    const size_t *counts = report->counts;

    printf(
        "Proof  %zu attacks  %zu blocked  %zu contained  %zu LEAKED  %zu n/a  %zu inconclusive   "
        "%ju s\n",
        report->done, counts[VERDICT_BLOCKED], counts[VERDICT_CONTAINED], counts[VERDICT_LEAKED],
        counts[VERDICT_NA], counts[VERDICT_INCONCLUSIVE],
        (uintmax_t)((clock_boot_ns() - report->start_boot_ns) / NS_PER_S));
}

void report_end(const struct report *report)
{
    static const enum verdict order[] = {VERDICT_BLOCKED, VERDICT_CONTAINED, VERDICT_LEAKED,
                                         VERDICT_NA, VERDICT_INCONCLUSIVE};
    const bool json = report->form == REPORT_JSON;
    const char *comma = "";

    if (report->form == REPORT_TABLE) {
        table_end(report);
    } else {
        printf(json ? "],\n\"counts\": {" : "# ");
        for (size_t i = 0; i < ARRAY_LEN(order); i++, comma = ", ")
            printf(json ? "%s\"%s\": %zu" : "%s%s %zu", comma, verdict_name(order[i]),
                   report->counts[order[i]]);
        printf(json ? "}, \"passed\": %s}\n" : "\n", report_passes(report) ? "true" : "false");
    }
    (void)fflush(stdout);
}

void report_list(const struct row *const *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%-5s %c  %-4s %s\n               by %s\n", rows[i]->id, rows[i]->severity,
               rows[i]->who, rows[i]->title, rows[i]->mechanism);
}

bool report_passes(const struct report *report)
{
    size_t leaked = report->counts[VERDICT_LEAKED];

    if (report->unwalled)
        return leaked > 0 && leaked + report->counts[VERDICT_NA] == report->done;
    if (report->without)
        return leaked > 0;
    return report->done > 0 && leaked == 0 && report->counts[VERDICT_INCONCLUSIVE] == 0;
}
