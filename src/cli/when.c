/* SPDX-License-Identifier: Apache-2.0 */
/* when - durations and moments as a person types them, and how they are said again */
#include "cli/when.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"

#define MINUTE_S      60U
#define HOUR_S        (60U * MINUTE_S)
#define DAY_S         (24U * HOUR_S)
#define WEEK_S        (7U * DAY_S)
#define DIGITS_MAX    19
#define TM_YEAR_FIRST 1900

static const struct {
    char letter;
    uint32_t seconds;
} units[] = {{'w', WEEK_S}, {'d', DAY_S}, {'h', HOUR_S}, {'m', MINUTE_S}, {'s', 1}};

/* Reads @count digits (0: as many as there are); leading zeroes are a clock's habit. */
static int read_number(const char **at, size_t count, uint64_t max, uint64_t *ret_value)
{
    char digits[DIGITS_MAX + 1];
    size_t length = strspn(*at, "0123456789");
    size_t zeroes;

    if (length == 0 || length > DIGITS_MAX || (count != 0 && length != count))
        return -EINVAL;
    memcpy(digits, *at, length);
    digits[length] = '\0';
    *at += length;
    zeroes = strspn(digits, "0");
    return str_u64(digits + (zeroes == length ? zeroes - 1 : zeroes), 0, max, ret_value);
}

static bool skip(const char **at, char wanted)
{
    if (**at != wanted)
        return false;
    (*at)++;
    return true;
}

int when_duration(const char *text, uint64_t *ret_ns)
{
    uint64_t total_s = 0;
    size_t unit = 0;

    if (text[0] == '\0')
        return -EINVAL;
    while (text[0] != '\0') {
        uint64_t value = 0;
        int r = read_number(&text, 0, UINT64_MAX / NS_PER_S, &value);

        if (r < 0)
            return r;
        while (unit < ARRAY_LEN(units) && units[unit].letter != text[0])
            unit++;
        if (unit == ARRAY_LEN(units))
            return -EINVAL;
        if (__builtin_mul_overflow(value, units[unit].seconds, &value) ||
            __builtin_add_overflow(total_s, value, &total_s))
            return -ERANGE;
        text++;
        unit++;
    }
    if (total_s == 0 || total_s > UINT64_MAX / NS_PER_S)
        return -ERANGE;
    *ret_ns = total_s * NS_PER_S;
    return 0;
}

/* "18:00", "18:00:30"; a leap second is the first of the next minute. */
static int read_time(const char **at, struct tm *tm)
{
    uint64_t hour = 0;
    uint64_t minute = 0;
    uint64_t second = 0;
    int r = read_number(at, 2, 23, &hour);

    if (r == 0)
        r = skip(at, ':') ? read_number(at, 2, 59, &minute) : -EINVAL;
    if (r == 0 && skip(at, ':'))
        r = read_number(at, 2, 60, &second);
    if (r < 0)
        return r;
    /* Fractions of a second are allowed by RFC 3339, and mean nothing here. */
    if (skip(at, '.')) {
        size_t digits = strspn(*at, "0123456789");

        if (digits == 0)
            return -EINVAL;
        *at += digits;
    }
    tm->tm_hour = (int)hour;
    tm->tm_min = (int)minute;
    tm->tm_sec = (int)second;
    return 0;
}

static int read_date(const char **at, struct tm *tm)
{
    uint64_t year = 0;
    uint64_t month = 0;
    uint64_t day = 0;
    int r = read_number(at, 4, 9999, &year);

    if (r == 0)
        r = skip(at, '-') ? read_number(at, 2, 12, &month) : -EINVAL;
    if (r == 0)
        r = skip(at, '-') ? read_number(at, 2, 31, &day) : -EINVAL;
    if (r == 0 && (month == 0 || day == 0))
        r = -ERANGE;
    tm->tm_year = (int)year - TM_YEAR_FIRST;
    tm->tm_mon = (int)month - 1;
    tm->tm_mday = (int)day;
    return r;
}

/* "Z", "+01:00", "-08:00". @ret_given: false: there is none */
static int read_offset(const char **at, long *ret_seconds, bool *ret_given)
{
    uint64_t hours = 0;
    uint64_t minutes = 0;
    bool minus = **at == '-';
    int r;

    *ret_given = **at != '\0';
    if (!*ret_given || skip(at, 'Z') || skip(at, 'z'))
        return 0;
    if (!skip(at, '+') && !skip(at, '-'))
        return -EINVAL;
    r = read_number(at, 2, 23, &hours);
    if (r == 0)
        r = skip(at, ':') ? read_number(at, 2, 59, &minutes) : -EINVAL;
    *ret_seconds = (long)(hours * HOUR_S + minutes * MINUTE_S) * (minus ? -1 : 1);
    return r;
}

/* mktime(3) and timegm(3) make the 2nd of March of a 30th of February; that is not what was said,
 * nor is an hour that the clocks leave out. */
static int to_seconds(const struct tm *said, bool utc, time_t *ret_seconds)
{
    struct tm tm = *said;
    time_t seconds;

    tm.tm_isdst = -1;
    tm.tm_sec = 0;
    seconds = utc ? timegm(&tm) : mktime(&tm);
    if (tm.tm_mday != said->tm_mday || tm.tm_mon != said->tm_mon || tm.tm_hour != said->tm_hour)
        return -ERANGE;
    *ret_seconds = seconds + said->tm_sec;
    return 0;
}

/* The next @said (a time of day) after @now. */
static int next_time(struct tm said, time_t now, time_t *ret_seconds)
{
    struct tm today;

    if (localtime_r(&now, &today) == NULL)
        return -ERANGE;
    for (int days = 0; days <= 1; days++) {
        struct tm tm = today;

        tm.tm_hour = said.tm_hour;
        tm.tm_min = said.tm_min;
        tm.tm_sec = said.tm_sec;
        tm.tm_mday += days;
        tm.tm_isdst = -1;
        *ret_seconds = mktime(&tm);
        if (*ret_seconds > now)
            return 0;
    }
    return -ERANGE;
}

int when_moment(const char *text, uint64_t now_wall_ns, uint64_t *ret_wall_ns)
{
    struct tm tm = {0};
    bool has_date = strlen(text) > 4 && text[4] == '-';
    bool utc = false;
    time_t seconds = 0;
    long offset = 0;
    int r = has_date ? read_date(&text, &tm) : 0;

    if (r == 0 && has_date && !skip(&text, 'T') && !skip(&text, 't') && !skip(&text, ' '))
        r = -EINVAL;
    if (r == 0)
        r = read_time(&text, &tm);
    if (r == 0 && has_date)
        r = read_offset(&text, &offset, &utc);
    if (r == 0 && text[0] != '\0')
        r = -EINVAL;
    if (r == 0)
        r = has_date ? to_seconds(&tm, utc, &seconds)
                     : next_time(tm, (time_t)(now_wall_ns / NS_PER_S), &seconds);
    if (r < 0)
        return r;
    seconds -= offset;
    if (seconds > 0 && (uint64_t)seconds > UINT64_MAX / NS_PER_S)
        return -ERANGE;
    *ret_wall_ns = seconds > 0 ? (uint64_t)seconds * NS_PER_S : 1;
    return 0;
}

char *when_text(uint64_t ns, char *buf, size_t size)
{
    /* A moment that is measured just after it was said is still the same one for a person. */
    uint64_t seconds = ns / NS_PER_S + (ns % NS_PER_S >= NS_PER_S / 2);
    size_t first = 1; /* weeks are for typing; people read days */
    uint64_t rest;

    while (first < ARRAY_LEN(units) - 1 && seconds < units[first].seconds)
        first++;
    rest = seconds % units[first].seconds;
    if (first + 1 < ARRAY_LEN(units) && rest >= units[first + 1].seconds) {
        if (str_format(buf, size, "%" PRIu64 "%c%" PRIu64 "%c", seconds / units[first].seconds,
                       units[first].letter, rest / units[first + 1].seconds,
                       units[first + 1].letter) < 0)
            buf[0] = '\0';
    } else if (str_format(buf, size, "%" PRIu64 "%c", seconds / units[first].seconds,
                          units[first].letter) < 0) {
        buf[0] = '\0';
    }
    return buf;
}
