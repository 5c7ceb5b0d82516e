/* SPDX-License-Identifier: Apache-2.0 */
/* people - roads that are a property of an account: its uid, its groups, its password, rules that
 * name it; and doors of daemons that do as root what they are told */
#ifndef CROFT_DOCTOR_PEOPLE_H
#define CROFT_DOCTOR_PEOPLE_H

#include "doctor/roads.h"

/** people_look() - uid 0 twins, accounts without a password, groups that are root by another name
 */
void people_look(struct roads *roads);

/** people_group_why() - why membership of the group @name is a road. Return: NULL it is none */
const char *people_group_why(const char *name);

/** sockets_look() - who may speak to docker, podman, containerd, lxd, incus; who may open disks and
 * memory */
void sockets_look(struct roads *roads);

/** doas_look() - /etc/doas.conf */
void doas_look(struct roads *roads);

/** polkit_look() - rules and .pkla files that let somebody do what root does without asking */
void polkit_look(struct roads *roads);

/** setuid_look() - programs with root's id or capabilities that no package brought
 * @limit_ms: after that it ends, and a note says so; 0: none */
void setuid_look(struct roads *roads, uint64_t limit_ms);

#endif
