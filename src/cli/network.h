/* SPDX-License-Identifier: Apache-2.0 */
/* network - the host's resolvers and apt proxies, told to the monitor by root */
#ifndef CROFT_CLI_NETWORK_H
#define CROFT_CLI_NETWORK_H

#include "base/err.h"

/**
 * network_tell() - reads them and orders that every machine may reach them; says what is left out
 *
 * Text is read by a child that has become the account croft: root gets numbers from it.
 * Runs as: root
 * Return: 0; outcome: machines reach what they could before
 */
nodiscard int network_tell(struct err *err);

#endif
