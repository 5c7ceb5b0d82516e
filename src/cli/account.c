/* SPDX-License-Identifier: Apache-2.0 */
/* account - names of the host's accounts, for people to read */
#include "cli/account.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

/* Most questions are about the account of the one before: it is looked up once. */
const char *account_name(uint32_t uid)
{
    static char known[64];
    static uint32_t known_uid;

    if (known[0] == '\0' || known_uid != uid) {
        const struct passwd *entry = getpwuid(uid);

        if (entry != NULL)
            (void)snprintf(known, sizeof(known), "%s", entry->pw_name);
        else
            (void)snprintf(known, sizeof(known), "uid %" PRIu32, uid);
        known_uid = uid;
    }
    return known;
}

const char *account_own(void)
{
    return account_name(getuid());
}
