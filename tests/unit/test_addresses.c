/* SPDX-License-Identifier: Apache-2.0 */
/* test_addresses - who has which slot in a boot, and which names stand in whose hosts file */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attrs.h"
#include "base/fd.h"
#include "linux/mounts.h"
#include "monitor/addresses.h"
#include "monitor/instances.h"
#include "monitor/monitor.h"
#include "monitor/names.h"

static struct monitor monitor;
static struct user *alice;
static char top[] = "/tmp/croft-unit-XXXXXX";

static int make_directory(void **state)
{
    (void)state;
    /* names_open() mounts: for nobody else to see. */
    if (unshare(CLONE_NEWNS) < 0 || mount_private() < 0)
        return -1;
    return mkdtemp(top) == NULL ? -1 : 0;
}

static int drop_directory(void **state)
{
    (void)state;
    return rmdir(top);
}

/* A monitor that has just started in the boot @boot. */
static void start(uint8_t boot)
{
    memset(&monitor, 0, sizeof(monitor));
    memset(monitor.boot_id, boot, sizeof(monitor.boot_id));
    monitor.records.host.fd = -1;
    events_init(&monitor);
    network_init(&monitor);
    monitor.network.ipv6 = true;
    monitor.network.prefix =
        (struct net_prefix){.ipv4 = NETWORK_IPV4, .ipv6 = {0xfd, 0x12, 0x34, 0x56, 0x78, 0x9a}};
    monitor.dirs.run = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(monitor.dirs.run >= 0);
    assert_int_equal(loop_new(&monitor.loop), 0);
    assert_int_equal(grants_init(&monitor), 0);
    alice = user_new(&monitor, "alice", USER_ACTIVE);
    alice->uid = 1001;
}

/* It is killed: the files stay. */
static void stop(void)
{
    /* By hand: nothing is told, no slot is given back. */
    while (alice->instances != NULL) {
        struct instance *instance = alice->instances;
        alice->instances = instance->next;
        free(instance);
    }
    while (monitor.users.first != NULL) {
        struct user *user = monitor.users.first;
        monitor.users.first = user->next;
        free(user);
    }
    fd_close(&monitor.addresses.fd);
    fd_close(&monitor.dirs.run);
    fd_close(&monitor.dirs.names);
    loop_disarm(monitor.loop, &monitor.names_timer);
    loop_free(monitor.loop);
}

static void clean(void)
{
    char path[512];

    for (uint32_t slot = 0; slot < 10; slot++) {
        snprintf(path, sizeof(path), "%s/names/%04x/hosts", top, slot);
        unlink(path);
        snprintf(path, sizeof(path), "%s/names/%04x/resolv.conf", top, slot);
        unlink(path);
        snprintf(path, sizeof(path), "%s/names/%04x", top, slot);
        rmdir(path);
    }
    snprintf(path, sizeof(path), "%s/names", top);
    umount2(path, MNT_DETACH);
    rmdir(path);
    snprintf(path, sizeof(path), "%s/addresses", top);
    unlink(path);
}

static struct instance *with_address(const char *name)
{
    struct instance *instance = instance_new(alice, name, NULL);
    struct err err;

    assert_int_equal(address_take(instance, &err), 0);
    return instance;
}

static void an_instance_keeps_its_slot(void **state)
{
    struct err err;

    (void)state;
    start(1);
    assert_int_equal(addresses_open(&monitor), 0);
    struct instance *db = with_address("db");
    assert_int_equal(db->slot, NET_SLOT_FIRST);
    assert_int_equal(with_address("web")->slot, NET_SLOT_FIRST + 1);
    assert_int_equal(address_take(db, &err), 0);
    assert_int_equal(db->slot, NET_SLOT_FIRST);
    stop();

    start(1); /* the next monitor of the same boot */
    db = instance_new(alice, "db", NULL);
    struct instance *other = instance_new(alice, "other", NULL);
    assert_int_equal(addresses_open(&monitor), 0);
    assert_int_equal(db->slot, NET_SLOT_FIRST);
    assert_int_equal(other->slot, 0);
    /* web's is nobody's any more, and still not given again. */
    assert_int_equal(address_take(other, &err), 0);
    assert_int_equal(other->slot, NET_SLOT_FIRST + 2);
    stop();

    start(2); /* another boot */
    db = instance_new(alice, "db", NULL);
    assert_int_equal(addresses_open(&monitor), 0);
    assert_int_equal(db->slot, 0);
    stop();
    clean();
}

static void a_slot_is_not_given_again_before_all_others(void **state)
{
    (void)state;
    start(1);
    assert_int_equal(addresses_open(&monitor), 0);
    struct instance *stays = with_address("stays");
    uint32_t last = stays->slot;
    for (uint32_t i = 0; i < NET_SLOT_LAST - NET_SLOT_FIRST; i++) {
        struct instance *passes = with_address("passes");
        assert_int_equal(passes->slot, last + 1);
        last = passes->slot;
        instance_drop(passes);
    }
    assert_int_equal(last, NET_SLOT_LAST);
    /* Round again, and over the one that is in use. */
    assert_int_equal(with_address("again")->slot, stays->slot + 1);
    stop();
    clean();
}

static void when_all_are_taken_it_is_said(void **state)
{
    struct instance *instance;
    struct err err;

    (void)state;
    start(1);
    assert_int_equal(addresses_open(&monitor), 0);
    memset(monitor.addresses.taken, 0xff, sizeof(monitor.addresses.taken));
    instance = instance_new(alice, "db", NULL);
    assert_int_equal(address_take(instance, &err), OUTCOME_OVER_LIMIT);
    assert_non_null(strstr(err.text, "addresses"));
    stop();
    clean();
}

static void a_damaged_file_is_begun_anew(void **state)
{
    (void)state;
    start(1);
    assert_int_equal(addresses_open(&monitor), 0);
    with_address("db");
    assert_int_equal(ftruncate(monitor.addresses.fd, 10), 0);
    stop();
    start(1);
    struct instance *db = instance_new(alice, "db", NULL);
    assert_int_equal(addresses_open(&monitor), 0);
    assert_int_equal(db->slot, 0);
    stop();
    clean();
}

/* The lines that stand in the hosts file of @instance, without padding. */
static void hosts_of(const struct instance *instance, char *ret_text, size_t size)
{
    char path[512];
    char line[256];
    size_t used = 0;

    ret_text[0] = '\0';
    snprintf(path, sizeof(path), "%s/names/%04x/hosts", top, instance->slot);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        for (size_t end = strlen(line); end > 0 && line[end - 1] == ' '; end--)
            line[end - 1] = '\0';
        if (line[0] == '#')
            continue;
        int added = snprintf(ret_text + used, size - used, "%s\n", line);
        assert_true(added > 0 && used + (size_t)added < size);
        used += (size_t)added;
    }
    fclose(file);
}

static void make_names(struct instance *instance)
{
    int hosts = -1;
    int resolv = -1;

    assert_int_equal(names_make(instance, &hosts, &resolv), 0);
    close(hosts);
    close(resolv);
}

static void names_are_hers_and_current(void **state)
{
    char text[2048];

    (void)state;
    start(1);
    assert_int_equal(addresses_open(&monitor), 0);
    assert_int_equal(names_open(&monitor), 0);
    struct instance *db = with_address("db");
    struct instance *web = with_address("web");
    make_names(db);
    hosts_of(db, text, sizeof(text));
    assert_string_equal(text, "100.96.0.2 db.alice db\n"
                              "127.0.0.1 localhost\n"
                              "::1 localhost ip6-localhost ip6-loopback\n"
                              "fd12:3456:789a::2 db.alice db\n");
    db->link.linked = web->link.linked = true;
    make_names(web);
    names_changed(alice);
    names_settle(alice);
    hosts_of(db, text, sizeof(text));
    assert_non_null(strstr(text, "100.96.0.3 web.alice\n"));
    assert_non_null(strstr(text, "fd12:3456:789a::3 web.alice\n"));
    assert_non_null(strstr(text, "100.96.0.2 db.alice db\n"));
    web->link.linked = false;
    names_changed(alice);
    names_settle(alice);
    hosts_of(db, text, sizeof(text));
    assert_null(strstr(text, "web"));
    names_remove(db);
    names_remove(web);
    stop();
    clean();
}

static void a_host_without_ipv6_names_no_such_address(void **state)
{
    char text[2048];

    (void)state;
    start(1);
    monitor.network.ipv6 = false;
    assert_int_equal(addresses_open(&monitor), 0);
    assert_int_equal(names_open(&monitor), 0);
    struct instance *db = with_address("db");
    make_names(db);
    hosts_of(db, text, sizeof(text));
    assert_string_equal(text, "100.96.0.2 db.alice db\n"
                              "127.0.0.1 localhost\n"
                              "::1 localhost ip6-localhost ip6-loopback\n");
    assert_int_equal(network_inside(&monitor).ipv4, NETWORK_IPV4);
    assert_int_equal(network_inside(&monitor).ipv6[0], 0);
    monitor.network.ipv6 = true;
    assert_int_equal(network_inside(&monitor).ipv6[0], 0xfd);
    names_remove(db);
    stop();
    clean();
}

static void what_is_nobodys_is_removed_at_the_start(void **state)
{
    char path[512];

    (void)state;
    start(1);
    assert_int_equal(addresses_open(&monitor), 0);
    assert_int_equal(names_open(&monitor), 0);
    snprintf(path, sizeof(path), "%s/names/0009", top);
    assert_int_equal(mkdir(path, 0700), 0);
    stop();
    start(1);
    assert_int_equal(addresses_open(&monitor), 0);
    assert_int_equal(names_open(&monitor), 0);
    assert_int_equal(access(path, F_OK), -1);
    stop();
    clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instance_keeps_its_slot),
        cmocka_unit_test(a_slot_is_not_given_again_before_all_others),
        cmocka_unit_test(when_all_are_taken_it_is_said),
        cmocka_unit_test(a_damaged_file_is_begun_anew),
        cmocka_unit_test(names_are_hers_and_current),
        cmocka_unit_test(a_host_without_ipv6_names_no_such_address),
        cmocka_unit_test(what_is_nobodys_is_removed_at_the_start),
    };
    return cmocka_run_group_tests(tests, make_directory, drop_directory);
}
