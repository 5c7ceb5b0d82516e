/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify - what of Croft is in the kernel and in /etc, held against its records
 *
 * The records are read before and after the kernel is looked at: what both readings want and the
 * kernel lacks is missing, what neither wants and the kernel has is too much. That is said only
 * when it is still so some moments later.
 */
#include "doctor/verify.h"
#include "croft-paths.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"
#include "doctor/accounts.h"
#include "doctor/expected.h"
#include "doctor/found.h"
#include "doctor/look.h"
#include "wire/net.h"

#define ROUNDS        4
#define ROUND_WAIT_NS 300000000L
#define RESTART       "croft host stop; croft host start"

/* prefix: the nets of this host's machines */
struct scene {
    struct differences *differences;
    struct net_prefix prefix;
    const struct expected *before;
    const struct expected *after;
    const struct found *found;
};

static int look_once(struct differences *differences, struct err *err);
static void keep_common(struct differences *kept, const struct differences *again);
static void compare_ids(struct scene *scene);
static void compare_account(struct scene *scene, const struct accounts *accounts,
                            const struct expected_user *user);
static void compare_ranges(struct scene *scene, const struct accounts *accounts);
static void compare_subordinate(struct scene *scene, const char *path);
static void compare_disks(struct scene *scene);
static void compare_groups(struct scene *scene);
static void compare_links(struct scene *scene);
static void compare_elements(struct scene *scene);
static void want_elements(struct scene *scene, const struct found_thing *slot, bool ipv6);
static void compare_grants(struct scene *scene);
static void want_grant(struct scene *scene, const struct expected_user *user,
                       const struct grant *grant, uint32_t slot, bool ipv6);
static void want(struct scene *scene, const struct found_thing *thing, char *what);
static const struct expected_user *user_of(const struct expected *expected, uint32_t uid);
static bool runs(const struct expected *expected, uint32_t uid, const char *name);
static bool is_granted(const struct scene *scene, const struct expected *expected,
                       const struct found_thing *element);
static int prefix_read(struct net_prefix *ret_prefix);
static struct found_address slot_address(const struct scene *scene, uint32_t slot, bool ipv6);
static uint32_t address_slot(const struct found_address *address);
static bool is_slot_address(const struct scene *scene, uint32_t slot,
                            const struct found_address *address);
static const char *digit_of(const struct found_address *address);

int verify_host(struct differences *differences, struct err *err)
{
    const struct timespec wait = {.tv_nsec = ROUND_WAIT_NS};

    int rc = look_once(differences, err);
    for (int i = 1; rc == 0 && i < ROUNDS && differences->count > 0; i++) {
        struct differences again = {0};
        nanosleep(&wait, NULL);
        rc = look_once(&again, err);
        keep_common(differences, &again);
        differences_free(&again);
    }
    if (rc != 0)
        differences_free(differences);
    return rc;
}

void differences_add(struct differences *differences, char *what, char *todo)
{
    differences->list =
        mem_grow(differences->list, differences->count + 1, sizeof(*differences->list));
    differences->list[differences->count++] = (struct difference){what, todo};
}

void differences_free(struct differences *differences)
{
    for (size_t i = 0; i < differences->count; i++) {
        free(differences->list[i].what);
        free(differences->list[i].todo);
    }
    free(differences->list);
    *differences = (struct differences){0};
}

static int look_once(struct differences *differences, struct err *err)
{
    struct expected before = {0};
    struct expected after = {0};
    struct found found = {0};
    struct net_prefix prefix;

    int rc = expected_read(&before);
    if (rc == 0)
        rc = prefix_read(&prefix);
    if (rc == 0) {
        found_look(&found);
        rc = expected_read(&after);
    }
    if (rc == -ENOENT)
        rc = err_set(err, OUTCOME_NOT_FOUND,
                     "there are no records in " CROFT_STATE_DIR ": Croft was never started here");
    else if (rc < 0)
        rc = err_errno(err, OUTCOME_FAILED, rc, "the records in " CROFT_STATE_DIR);
    if (rc == 0) {
        struct scene scene = {differences, prefix, &before, &after, &found};
        if (before.broken != NULL && after.broken != NULL)
            differences_add(differences, look_format("%s", after.broken),
                            look_format("put the records back from a copy; what they say is "
                                        "Croft's only truth"));
        compare_ids(&scene);
        compare_disks(&scene);
        compare_groups(&scene);
        compare_links(&scene);
        compare_elements(&scene);
        compare_grants(&scene);
    }
    expected_free(&before);
    expected_free(&after);
    found_free(&found);
    return rc;
}

static void keep_common(struct differences *kept, const struct differences *again)
{
    size_t count = 0;

    for (size_t i = 0; i < kept->count; i++) {
        bool is_there = false;
        for (size_t j = 0; j < again->count; j++)
            is_there |= strcmp(kept->list[i].what, again->list[j].what) == 0;
        if (is_there) {
            kept->list[count++] = kept->list[i];
            continue;
        }
        free(kept->list[i].what);
        free(kept->list[i].todo);
    }
    kept->count = count;
    kept->looked = again->looked;
}

static void compare_ids(struct scene *scene)
{
    auto_accounts accounts = {0};

    if (accounts_read(&accounts) < 0)
        return;
    for (size_t i = 0; i < scene->after->user_count; i++)
        if (user_of(scene->before, scene->after->users[i].user.uid) != NULL)
            compare_account(scene, &accounts, &scene->after->users[i]);
    compare_ranges(scene, &accounts);
    compare_subordinate(scene, "/etc/subuid");
    compare_subordinate(scene, "/etc/subgid");
}

static void compare_account(struct scene *scene, const struct accounts *accounts,
                            const struct expected_user *user)
{
    ssize_t index = accounts_by_name(accounts, user->name);
    char name[32];
    bool is_primary;

    scene->differences->looked += 3;
    if (index < 0 || accounts->list[index].uid != user->user.uid)
        differences_add(scene->differences,
                        look_format("/etc/passwd: %s should have uid %u and %s", user->name,
                                    user->user.uid, index < 0 ? "is not there" : "has another"),
                        look_format("put the line back, or croft user rm %s", user->name));
    if (str_format(name, sizeof(name), "croft-u-%u", user->user.uid) < 0)
        return;
    const struct group *audit = accounts_group_named(accounts, name);
    if (audit == NULL || audit->gid != user->user.audit_gid)
        differences_add(scene->differences,
                        look_format("/etc/group: %s should have gid %u, so that %s reads her "
                                    "records",
                                    name, user->user.audit_gid, user->name),
                        look_format("groupadd -g %u %s; gpasswd -a %s %s", user->user.audit_gid,
                                    name, user->name, name));
    const struct group *login = accounts_group_named(accounts, "croft-user");
    if (index >= 0 && user->name[0] != '_' &&
        (login == NULL || !accounts_in_group(&accounts->list[index], login, &is_primary)))
        differences_add(scene->differences,
                        look_format("/etc/group: %s should be in croft-user, or her login lands "
                                    "on the host",
                                    user->name),
                        look_format("gpasswd -a %s croft-user", user->name));
}

/* Croft's own range is nobody's account or group. */
static void compare_ranges(struct scene *scene, const struct accounts *accounts)
{
    for (size_t i = 0; i < accounts->count; i++) {
        const struct account *account = &accounts->list[i];
        scene->differences->looked++;
        if (account->uid >= ID_RANGE_FIRST && account->uid <= ID_RANGE_LAST)
            differences_add(scene->differences,
                            look_format("/etc/passwd: %s has uid %u, which is a machine's",
                                        account->name, account->uid),
                            look_format("userdel %s, or give it another uid", account->name));
    }
    for (size_t i = 0; i < accounts->group_count; i++) {
        const struct group *group = &accounts->groups[i];
        scene->differences->looked++;
        if (group->gid >= ID_RANGE_FIRST && group->gid <= ID_RANGE_LAST)
            differences_add(scene->differences,
                            look_format("/etc/group: %s has gid %u, which is a machine's",
                                        group->name, group->gid),
                            look_format("groupdel %s, or give it another gid", group->name));
    }
}

/* name:first:count */
static void compare_subordinate(struct scene *scene, const char *path)
{
    auto_free char *text = NULL;
    char *line;

    if (look_file(path, &text) < 0)
        return;
    for (char *rest = text; (line = look_line(&rest)) != NULL;) {
        char *field[4];
        uint64_t first;
        uint64_t count;
        scene->differences->looked++;
        if (str_fields(line, field, ARRAY_LEN(field)) < 3 ||
            str_u64(field[1], 0, UINT32_MAX, &first) < 0 ||
            str_u64(field[2], 0, UINT32_MAX, &count) < 0 || first > ID_RANGE_LAST ||
            first + count <= ID_RANGE_FIRST)
            continue;
        differences_add(scene->differences,
                        look_format("%s: %s may make ids %s (%s of them), which are machines'",
                                    path, field[0], field[1], field[2]),
                        look_format("take that line out of %s", path));
    }
}

static void compare_disks(struct scene *scene)
{
    for (size_t i = 0; i < scene->found->count; i++) {
        const struct found_thing *thing = &scene->found->list[i];
        bool is_known = user_of(scene->before, thing->uid) || user_of(scene->after, thing->uid);
        if (thing->kind == FOUND_MOUNT) {
            scene->differences->looked++;
            if (!is_known || !thing->fine)
                differences_add(
                    scene->differences,
                    look_format("mount " CROFT_RUN_DIR "/volumes/%u: %s", thing->uid,
                                is_known ? "it lacks nosuid or nodev" : "no user has this disk"),
                    look_format("umount " CROFT_RUN_DIR "/volumes/%u", thing->uid));
        }
        if (thing->kind != FOUND_LOOP)
            continue;
        const struct found_thing mount = {.kind = FOUND_MOUNT, .uid = thing->uid};
        scene->differences->looked++;
        if (!is_known || found_same(scene->found, &mount) == NULL)
            differences_add(
                scene->differences,
                look_format("loop device of " CROFT_STATE_DIR "/volumes/%u.ext4: it is not "
                            "mounted, or no user has this disk",
                            thing->uid),
                look_format("losetup -j " CROFT_STATE_DIR "/volumes/%u.ext4, and losetup -d it",
                            thing->uid));
    }
}

static void compare_groups(struct scene *scene)
{
    for (size_t i = 0; i < scene->found->count; i++) {
        const struct found_thing *thing = &scene->found->list[i];
        bool is_known = user_of(scene->before, thing->uid) || user_of(scene->after, thing->uid);
        if (thing->kind == FOUND_USER && ++scene->differences->looked && !is_known)
            differences_add(
                scene->differences,
                look_format("control group " CROFT_CGROUP "/%u: no user has this uid", thing->uid),
                look_format("end what runs in it, and rmdir it in each hierarchy"));
        if (thing->kind == FOUND_GROUP && ++scene->differences->looked &&
            !runs(scene->before, thing->uid, thing->name) &&
            !runs(scene->after, thing->uid, thing->name))
            differences_add(scene->differences,
                            look_format("control group " CROFT_CGROUP "/%u/all/%s: nothing of that "
                                        "name should run",
                                        thing->uid, thing->name),
                            look_format(RESTART ", which ends it"));
    }
    for (size_t i = 0; i < scene->after->user_count; i++) {
        const struct expected_user *user = &scene->after->users[i];
        for (size_t j = 0; j < user->machine_count; j++) {
            const char *name = user->machines[j].name;
            struct found_thing group = {.kind = FOUND_GROUP, .uid = user->user.uid};
            struct found_thing mount = {.kind = FOUND_MOUNT, .uid = user->user.uid};
            if (!user->machines[j].running || !runs(scene->before, user->user.uid, name))
                continue;
            memcpy(group.name, name, sizeof(group.name));
            want(scene, &group,
                 look_format("machine %s of %s should run: it has no control group", name,
                             user->name));
            want(scene, &mount,
                 look_format("machine %s of %s should run: her disk is not mounted", name,
                             user->name));
        }
    }
}

/* A link for each slot whose instance runs, and no other. */
static void compare_links(struct scene *scene)
{
    for (size_t i = 0; i < scene->found->count; i++) {
        const struct found_thing *thing = &scene->found->list[i];
        char link[NET_LINK_NAME_SIZE];
        net_link_name(thing->slot, link);
        if (thing->kind == FOUND_SLOT && runs(scene->before, thing->uid, thing->name) &&
            runs(scene->after, thing->uid, thing->name)) {
            const struct found_thing wanted = {.kind = FOUND_LINK, .slot = thing->slot};
            want(scene, &wanted,
                 look_format("link %s: machine %s of uid %u runs and has none", link, thing->name,
                             thing->uid));
        }
        if (thing->kind != FOUND_LINK)
            continue;
        bool is_wanted = false;
        for (size_t j = 0; j < scene->found->count; j++) {
            const struct found_thing *slot = &scene->found->list[j];
            is_wanted |= slot->kind == FOUND_SLOT && slot->slot == thing->slot &&
                         (runs(scene->before, slot->uid, slot->name) ||
                          runs(scene->after, slot->uid, slot->name));
        }
        scene->differences->looked++;
        if (!is_wanted)
            differences_add(scene->differences,
                            look_format("link %s: no machine that runs has this address", link),
                            look_format("ip link del %s", link));
    }
}

/* @owner and @members have the links' machines, with their owners, and no other, in both families.
 */
static void compare_elements(struct scene *scene)
{
    const struct found *found = scene->found;

    for (size_t i = 0; i < found->count; i++) {
        const struct found_thing *thing = &found->list[i];
        if (thing->kind != FOUND_SLOT && thing->kind != FOUND_OWNER && thing->kind != FOUND_MEMBER)
            continue;
        uint32_t slot = thing->kind == FOUND_MEMBER ? address_slot(&thing->address) : thing->slot;
        const struct found_thing link = {.kind = FOUND_LINK, .slot = slot};
        bool has_link = found_same(found, &link) != NULL;
        if (thing->kind == FOUND_SLOT) {
            for (int ipv6 = 0; ipv6 < 2 && has_link; ipv6++)
                want_elements(scene, thing, ipv6);
            continue;
        }
        bool is_right = false;
        for (size_t j = 0; j < found->count; j++) {
            const struct found_thing *given = &found->list[j];
            is_right |= given->kind == FOUND_SLOT && given->slot == slot &&
                        given->uid == thing->uid && is_slot_address(scene, slot, &thing->address);
        }
        scene->differences->looked++;
        if (!is_right || !has_link)
            differences_add(scene->differences,
                            look_format("nft %s%s: an element for slot %u and uid %u that is no "
                                        "machine's",
                                        thing->kind == FOUND_OWNER ? "owner" : "members",
                                        digit_of(&thing->address), slot, thing->uid),
                            look_format("nft delete table inet croft: it is made anew at once"));
    }
}

static void want_elements(struct scene *scene, const struct found_thing *slot, bool ipv6)
{
    const struct found_address address = slot_address(scene, slot->slot, ipv6);
    const struct found_thing owner = {
        .kind = FOUND_OWNER, .slot = slot->slot, .uid = slot->uid, .address = address};
    const struct found_thing member = {.kind = FOUND_MEMBER, .uid = slot->uid, .address = address};

    want(scene, &owner,
         look_format("nft owner%s: machine %s of uid %u is not there", digit_of(&address),
                     slot->name, slot->uid));
    want(scene, &member,
         look_format("nft members%s: machine %s of uid %u is not there", digit_of(&address),
                     slot->name, slot->uid));
}

static void compare_grants(struct scene *scene)
{
    const struct found *found = scene->found;

    for (size_t i = 0; i < found->count; i++) {
        const struct found_thing *thing = &found->list[i];
        if (thing->kind != FOUND_GRANT)
            continue;
        scene->differences->looked++;
        if (!is_granted(scene, scene->before, thing) && !is_granted(scene, scene->after, thing))
            differences_add(scene->differences,
                            look_format("nft grants%s: uid %u may reach port %u of slot %u, which "
                                        "nobody granted",
                                        digit_of(&thing->address), thing->uid, thing->port,
                                        address_slot(&thing->address)),
                            look_format("nft delete table inet croft: it is made anew at once"));
    }
    for (size_t i = 0; i < scene->after->user_count; i++) {
        const struct expected_user *user = &scene->after->users[i];
        for (size_t j = 0; j < user->grant_count; j++) {
            const struct grant *grant = &user->grants[j];
            for (size_t k = 0; k < found->count; k++) {
                const struct found_thing *slot = &found->list[k];
                const struct found_thing link = {.kind = FOUND_LINK, .slot = slot->slot};
                if (slot->kind != FOUND_SLOT || slot->uid != grant->owner_uid ||
                    strcmp(slot->name, grant->machine) != 0 || found_same(found, &link) == NULL)
                    continue;
                for (int ipv6 = 0; ipv6 < 2; ipv6++)
                    want_grant(scene, user, grant, slot->slot, ipv6);
            }
        }
    }
}

/* One that was given before the kernel was looked at too. */
static void want_grant(struct scene *scene, const struct expected_user *user,
                       const struct grant *grant, uint32_t slot, bool ipv6)
{
    const struct found_thing element = {.kind = FOUND_GRANT,
                                        .uid = grant->grantee_uid,
                                        .address = slot_address(scene, slot, ipv6),
                                        .protocol = grant->terms.protocol,
                                        .port = grant->terms.port};

    if (is_granted(scene, scene->before, &element))
        want(scene, &element,
             look_format("nft grants%s: port %u of %s of %s is granted to uid %u and not open",
                         digit_of(&element.address), grant->terms.port, grant->machine, user->name,
                         grant->grantee_uid));
}

static void want(struct scene *scene, const struct found_thing *thing, char *what)
{
    scene->differences->looked++;
    if (found_same(scene->found, thing) == NULL)
        differences_add(scene->differences, what,
                        look_format("croft host status; if Croft runs, see " CROFT_LOG_DIR
                                    "/croft.log, then " RESTART));
    else
        free(what);
}

static const struct expected_user *user_of(const struct expected *expected, uint32_t uid)
{
    for (size_t i = 0; i < expected->user_count; i++)
        if (expected->users[i].user.uid == uid)
            return &expected->users[i];
    return NULL;
}

static bool runs(const struct expected *expected, uint32_t uid, const char *name)
{
    const struct expected_user *user = user_of(expected, uid);

    for (size_t i = 0; user != NULL && i < user->machine_count; i++)
        if (user->machines[i].running && strcmp(user->machines[i].name, name) == 0)
            return true;
    return false;
}

/* Whether a live grant is what @element opens. */
static bool is_granted(const struct scene *scene, const struct expected *expected,
                       const struct found_thing *element)
{
    for (size_t i = 0; i < scene->found->count; i++) {
        const struct found_thing *slot = &scene->found->list[i];
        if (slot->kind != FOUND_SLOT || !is_slot_address(scene, slot->slot, &element->address))
            continue;
        const struct expected_user *owner = user_of(expected, slot->uid);
        for (size_t j = 0; owner != NULL && j < owner->grant_count; j++) {
            const struct grant *grant = &owner->grants[j];
            if (grant->grantee_uid == element->uid && grant->terms.port == element->port &&
                grant->terms.protocol == element->protocol &&
                strcmp(grant->machine, slot->name) == 0)
                return true;
        }
    }
    return false;
}

static int prefix_read(struct net_prefix *ret_prefix)
{
    auto_free char *bytes = NULL;
    size_t size;

    int rc = look_bytes(CROFT_STATE_DIR "/" NET_PREFIX_FILE, &bytes, &size);
    if (rc == 0 && size != sizeof(*ret_prefix))
        rc = -EBADMSG;
    if (rc == 0)
        memcpy(ret_prefix, bytes, sizeof(*ret_prefix));
    return rc;
}

static struct found_address slot_address(const struct scene *scene, uint32_t slot, bool ipv6)
{
    struct found_address address = {.ipv6 = ipv6};
    const uint32_t address4 = htonl(net_address4(&scene->prefix, slot));

    if (ipv6)
        net_address6(&scene->prefix, slot, address.bytes);
    else
        memcpy(address.bytes, &address4, sizeof(address4));
    return address;
}

/* The one that it would be of, were it in our nets. */
static uint32_t address_slot(const struct found_address *address)
{
    const uint8_t *last = address->bytes + (address->ipv6 ? 14 : 2);
    return (uint32_t)last[0] << 8 | last[1];
}

static bool is_slot_address(const struct scene *scene, uint32_t slot,
                            const struct found_address *address)
{
    const struct found_address right = slot_address(scene, slot, address->ipv6);
    return memcmp(address->bytes, right.bytes, sizeof(right.bytes)) == 0;
}

/* Of the names of sets. */
static const char *digit_of(const struct found_address *address)
{
    return address->ipv6 ? "6" : "4";
}
