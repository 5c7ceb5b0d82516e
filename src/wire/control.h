/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - croft <-> croftd: one JSON object and a 0 byte in each direction, over a stream socket
 *
 * A call:    {"method": "Plan", "parameters": {...}}
 * An answer: {"parameters": {...}}  or  {"outcome": 3, "text": "no machine named x"}
 *
 * Methods (a user sees only her own; an admin may give "user"):
 *   List   {}                          -> {"machines": [MACHINE...]}
 *   Info   {"name"}                    -> {"machine": MACHINE}
 *   Images {}                          -> {"images": [{"name","digest","bytes","created"}]}
 *   Users  {}                          -> {"users": [USER...]}   (an admin: all; else herself)
 *   Plan   {"kind": "machine"|"job", "image", "name"?, "command": [..]?, "entrypoint"?, "env":
 * [..]?, "user"?, "workdir"?, "tty"?, "stdin"?, "remove"?, "offline"?, "memory"?, "pids"?,
 * "cpu_milli"?}
 *                                      -> {"plan": base64 of a struct plan, "name"}
 *           an admin may give "owner": "_build"
 *   Status {}                          -> {"users": n, "machines": n, "running": n,
 *                                          "default_image": "" (not set) | name}
 * MACHINE: {"name","image","kind","state","since","exit_code","exit_signal","oom_kills","text",
 *           "memory_bytes","pids", "limits": {...}, "memory_limit_bytes", "address" ("": none now),
 *           "user", "disk_used_bytes"?, "inodes_used"?, "disk_limit_bytes" (of all her machines)}
 * USER:    {"name","uid","limits": {...},"block_first","keeper_id","memory_bytes","pids",
 *           "disk_used_bytes"?,"inodes_used"?,"machines"}
 * limits:  {"memory_bytes","memory_min_bytes","disk_bytes","inodes","pids","cpu_milli"}, of a USER
 *          also {"net_bytes_per_s","net_packets_per_s","net_connections","lan": true|false}
 * Every object may gain fields; a reader skips what it does not know.
 */
#ifndef CROFT_WIRE_CONTROL_H
#define CROFT_WIRE_CONTROL_H

#include "base/err.h"
#include <jansson.h>
#include <stddef.h>

#define CONTROL_DEPTH_MAX 8U

/**
 * control_parse() - strict: one object, UTF-8, no duplicate keys, at most CONTROL_DEPTH_MAX deep
 * @size: without the 0 byte
 * Return: new reference (caller owns); NULL with @err set (OUTCOME_USAGE)
 */
nodiscard json_t *control_parse(const char *text, size_t size, struct err *err);

/** control_text() - compact text. Return: heap string (caller frees); never NULL */
nodiscard char *control_text(const json_t *object);

/** control_base64() - Return: heap string (caller frees) */
nodiscard char *control_base64(const void *bytes, size_t size);

/** control_unbase64() - Return: 0; -EINVAL; -EMSGSIZE longer than @size */
nodiscard int control_unbase64(const char *text, void *bytes, size_t size, size_t *ret_size);

#endif
