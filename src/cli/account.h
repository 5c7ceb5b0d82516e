/* SPDX-License-Identifier: Apache-2.0 */
/* account - names of the host's accounts, for people to read */
#ifndef CROFT_CLI_ACCOUNT_H
#define CROFT_CLI_ACCOUNT_H

#include <stdint.h>

/** account_name() - "alice"; "uid 1034" for an account that is no more. Return: until the next call
 */
const char *account_name(uint32_t uid);

/** account_own() - the caller's. Return: until the next call of either */
const char *account_own(void);

#endif
