/* SPDX-License-Identifier: Apache-2.0 */
/* granting - what the victim grants, and what the attacker makes of it: for the rows about grants
 */
#ifndef CROFT_PROVE_GRANTING_H
#define CROFT_PROVE_GRANTING_H

#include "base/attrs.h"
#include "prove/netside.h"
#include "prove/row.h"

/* Where both are, and the port that the victim serves; set by granting_look(). */
extern struct granting {
    struct netside victim;
    struct netside attacker;
    uint32_t port;
} granting;

/** granting_look() - sets granting. Return: true; false with the verdict set */
nodiscard bool granting_look(struct scene *scene, struct trial *trial);

/** granting_server() - what her service says; error: it says nothing */
struct canary_answer granting_server(struct scene *scene);

/** granting_frames() - that went down the link of the machine with pid 1 @init so far */
uint64_t granting_frames(const struct netside *side, pid_t init);

/** granting_order() - runs croft as @party. Return: its exit status */
int granting_order(const struct party *party, const char *const *words, char *output, size_t size);

/** granting_target() - "victim:5432" or "victim:53/udp". Return: whether it fits */
nodiscard bool granting_target(char *text, size_t size, const char *machine, uint32_t port,
                               bool tcp);

/** granting_give() - the victim grants @whom. Return: whether it was done; else the verdict is set
 */
nodiscard bool granting_give(struct scene *scene, struct trial *trial, const char *whom,
                             const char *machine, uint32_t port, bool tcp, const char *for_text);

/** granting_take_back() - she revokes it. Return: whether that was done */
bool granting_take_back(struct scene *scene, const char *whom, const char *machine, uint32_t port,
                        bool tcp);

/** granting_talks() - whether @party's machine is answered there; @from: "" or where it comes from
 */
nodiscard bool granting_talks(const struct party *party, bool tcp, const char *address,
                              uint32_t port, const char *from);

/** granting_all_talks() - the same of her service by TCP and UDP over IPv4 (bits 0, 1) and IPv6 */
unsigned granting_all_talks(const struct party *party);

/** granting_hold() - a connection of the attacker's that is busy until @live ends. Return: whether
 * it stands */
nodiscard bool granting_hold(struct scene *scene, const char *address, struct attack *live);

/** granting_given() - how many grants the victim has given, by her own list. Return: count; -1 */
int granting_given(const struct scene *scene, char *output, size_t size);

#endif
