/* SPDX-License-Identifier: Apache-2.0 */
/* tuning - settings of the host beside the walls: modules, sysctls, swap, clock, disk, addresses */
#include "croft-paths.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include "base/mem.h"
#include "base/str.h"
#include "doctor/controls.h"
#include "doctor/look.h"
#include "wire/limits.h"
#include "wire/net.h"

#define NETWORK_MASK 0xffff0000U
#define DISK_WANTED  (10ULL * GIB)
#define SNIPPET      "/etc/ssh/sshd_config.d/croft.conf"

/* at_least: a larger number is stricter still */
static const struct {
    const char *name;
    uint64_t wanted;
    bool at_least;
} sysctls[] = {
    {"kernel.unprivileged_bpf_disabled", 1, true},
    {"net.core.bpf_jit_harden", 2, true},
    {"kernel.kptr_restrict", 1, true},
    {"kernel.dmesg_restrict", 1, true},
    {"kernel.perf_event_paranoid", 2, true},
    {"kernel.yama.ptrace_scope", 1, true},
    {"kernel.io_uring_disabled", 2, true},
    {"vm.unprivileged_userfaultfd", 0, false},
    {"dev.tty.ldisc_autoload", 0, false},
    {"dev.tty.legacy_tiocsti", 0, false},
    {"fs.protected_symlinks", 1, true},
    {"fs.protected_hardlinks", 1, true},
    {"fs.protected_fifos", 1, true},
    {"fs.protected_regular", 1, true},
    {"fs.suid_dumpable", 0, false},
    {"kernel.sysrq", 0, false},
    {"kernel.kexec_load_disabled", 1, true},
    {"net.ipv4.conf.all.accept_redirects", 0, false},
    {"net.ipv4.conf.all.accept_source_route", 0, false},
    {"net.ipv4.conf.all.route_localnet", 0, false},
};

/* Loaded by the kernel when somebody opens a socket or a file system; used by few, broken often. */
static const char *const modules[] = {
    "algif_aead", "algif_hash", "algif_rng",  "algif_skcipher", "esp4",
    "esp6",       "rxrpc",      "tipc",       "sctp",           "dccp",
    "rds",        "can",        "ax25",       "netrom",         "rose",
    "x25",        "appletalk",  "ipx",        "af_key",         "n_hdlc",
    "cramfs",     "hfs",        "hfsplus",    "jffs2",          "udf",
    "atm",        "phonet",     "ieee802154",
};

static void look_sysctls(struct controls *controls);
static void look_modules(struct controls *controls);
static bool is_denied(const char *denied, const char *module);
static void gather(const char *path, const char *name, void *data);
static void look_pid_max(struct controls *controls);
static void look_swap(struct controls *controls);
static void look_clock(struct controls *controls);
static void look_disk(struct controls *controls);
static void look_resolver(struct controls *controls);
static void look_routes(struct controls *controls);
static bool is_overlapping(char *line, const char **ret_link);
static bool hex_address(const char *text, uint32_t *ret_address);
static void look_ipv6(struct controls *controls);
static void look_forwarding(struct controls *controls);
static void look_sshd(struct controls *controls);

void controls_settings(struct controls *controls)
{
    look_pid_max(controls);
    look_disk(controls);
    look_clock(controls);
    look_routes(controls);
    look_ipv6(controls);
    look_forwarding(controls);
    look_resolver(controls);
    look_sshd(controls);
    look_swap(controls);
    look_modules(controls);
    look_sysctls(controls);
}

static void look_sysctls(struct controls *controls)
{
    char path[LOOK_PATH_MAX];
    size_t fine = 0;

    for (size_t i = 0; i < ARRAY_LEN(sysctls); i++) {
        uint64_t value;
        if (str_format(path, sizeof(path), "/proc/sys/%s", sysctls[i].name) < 0)
            continue;
        for (char *at = path + strlen("/proc/sys/"); *at != '\0'; at++)
            *at = *at == '.' ? '/' : *at;
        /* What this kernel has not needs no setting; -1 is none of the strict values. */
        if (!look_exists(path))
            continue;
        bool is_read = look_number(path, &value) == 0;
        if (is_read &&
            (sysctls[i].at_least ? value >= sysctls[i].wanted : value == sysctls[i].wanted)) {
            fine++;
            continue;
        }
        controls_add(controls, CONTROL_ADVICE, sysctls[i].name,
                     is_read ? look_format("is %lu", (unsigned long)value)
                             : look_format("is no such number"),
                     look_format("sysctl -w %s=%lu, unless other software needs it",
                                 sysctls[i].name, (unsigned long)sysctls[i].wanted));
    }
    controls_add(controls, CONTROL_PRESENT, "kernel settings",
                 look_format("%zu of %zu are as strict as advised", fine, ARRAY_LEN(sysctls)),
                 NULL);
}

static void look_modules(struct controls *controls)
{
    struct utsname host;
    char path[LOOK_PATH_MAX];
    uint64_t disabled = 0;
    auto_free char *known = NULL;
    auto_free char *denied = look_format(" ");
    auto_free char *loadable = look_format("%s", "");

    if (look_number("/proc/sys/kernel/modules_disabled", &disabled) == 0 && disabled == 1) {
        controls_add(controls, CONTROL_PRESENT, "modules nobody needs",
                     look_format("kernel.modules_disabled is 1: nothing is loaded any more"), NULL);
        return;
    }
    if (uname(&host) < 0 ||
        str_format(path, sizeof(path), "/lib/modules/%s/modules.dep", host.release) < 0 ||
        look_file(path, &known) < 0) {
        controls_add(controls, CONTROL_PRESENT, "modules nobody needs",
                     look_format("this kernel has no modules to load"), NULL);
        return;
    }
    look_each("/etc/modprobe.d", gather, &denied);
    look_each("/usr/lib/modprobe.d", gather, &denied);
    for (size_t i = 0; i < ARRAY_LEN(modules); i++) {
        auto_free char *file = look_format("/%s.ko", modules[i]);
        if (strstr(known, file) == NULL || is_denied(denied, modules[i]))
            continue;
        char *more = look_format("%s %s", loadable, modules[i]);
        free(loadable);
        loadable = more;
    }
    bool is_fine = loadable[0] == '\0';
    controls_add(controls, is_fine ? CONTROL_PRESENT : CONTROL_ADVICE, "modules nobody needs",
                 is_fine ? look_format("none can be loaded by itself")
                         : look_format("would be loaded by themselves:%s", loadable),
                 is_fine ? NULL
                         : look_format("for m in%s; do echo \"install $m /bin/false\"; done > "
                                       "/etc/modprobe.d/croft-deny.conf",
                                       loadable));
}

/* "install NAME /bin/false" or /bin/true; a blacklist keeps only the aliases away. */
static bool is_denied(const char *denied, const char *module)
{
    auto_free char *no = look_format("install %s /bin/false", module);
    auto_free char *nothing = look_format("install %s /bin/true", module);
    return strstr(denied, no) != NULL || strstr(denied, nothing) != NULL;
}

static void gather(const char *path, const char *name, void *data)
{
    char **all = data;
    auto_free char *text = NULL;

    (void)name;
    if (look_file(path, &text) < 0)
        return;
    char *joined = look_format("%s %s", *all, text);
    free(*all);
    *all = joined;
}

static void look_pid_max(struct controls *controls)
{
    uint64_t value = 0;
    bool is_high = look_number("/proc/sys/kernel/pid_max", &value) == 0 && value >= HOST_PID_MAX;
    controls_add(controls, CONTROL_PRESENT, "kernel.pid_max",
                 is_high ? look_format("is %lu", (unsigned long)value)
                         : look_format("is %lu; `croft host start` raises it to %u",
                                       (unsigned long)value, HOST_PID_MAX),
                 NULL);
}

static void look_swap(struct controls *controls)
{
    auto_free char *text = NULL;
    bool has_swap =
        look_file("/proc/swaps", &text) == 0 && strchr(text, '\n') != NULL && strchr(text, '/');
    controls_add(controls, has_swap ? CONTROL_ADVICE : CONTROL_PRESENT, "no swap",
                 look_format(has_swap ? "/proc/swaps names some" : "/proc/swaps names none"),
                 has_swap ? look_format("swapoff -a, or swap that is encrypted: what users keep in "
                                        "memory ends up on the host's disk otherwise")
                          : NULL);
}

static void look_clock(struct controls *controls)
{
    struct timex clock = {.modes = 0};
    bool is_kept = adjtimex(&clock) >= 0 && !(clock.status & STA_UNSYNC);
    controls_add(controls, is_kept ? CONTROL_PRESENT : CONTROL_ADVICE, "clock",
                 look_format(is_kept ? "the kernel says it is kept right"
                                     : "the kernel says nobody keeps it right"),
                 is_kept ? NULL
                         : look_format("apt-get install systemd-timesyncd or chrony: a grant "
                                       "--until a moment ends by this clock"));
}

static void look_disk(struct controls *controls)
{
    struct statvfs fs;
    const char *where = look_exists(CROFT_STATE_DIR) ? CROFT_STATE_DIR : "/var";

    if (statvfs(where, &fs) < 0)
        return;
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    char text[32];
    bool is_much = bytes >= DISK_WANTED;
    controls_add(controls, is_much ? CONTROL_PRESENT : CONTROL_ADVICE, "disk space",
                 look_format("%s free in %s", str_size_text(bytes, text, sizeof(text)), where),
                 is_much ? NULL
                         : look_format("a user's disk is set aside whole: give --disk, or make "
                                       "room"));
}

static void look_resolver(struct controls *controls)
{
    auto_free char *text = NULL;
    char *line;
    bool is_loopback = false;
    bool is_other = false;

    if (look_file("/etc/resolv.conf", &text) < 0)
        text = look_format("%s", "");
    for (char *rest = text; (line = look_line(&rest)) != NULL;) {
        const char *word = look_word(&line);
        const char *address = word == NULL ? NULL : look_word(&line);
        if (address == NULL || strcmp(word, "nameserver") != 0)
            continue;
        bool is_own = strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
        is_loopback |= is_own;
        is_other |= !is_own;
    }
    bool is_resolved = look_exists("/run/systemd/resolve/resolv.conf");
    controls_add(controls, is_other ? CONTROL_PRESENT : CONTROL_ADVICE, "resolver",
                 look_format(is_other      ? "/etc/resolv.conf names one that machines reach"
                             : is_loopback ? "/etc/resolv.conf names only the host's own loopback"
                                           : "/etc/resolv.conf names none"),
                 is_other ? NULL
                 : is_resolved
                     ? look_format("ln -sf /run/systemd/resolve/resolv.conf /etc/resolv.conf, "
                                   "which names the servers behind it")
                     : look_format("a nameserver line in /etc/resolv.conf with an address that is "
                                   "not the host's loopback: machines cannot reach that"));
}

/* Another's route into the net of machines: their packets would go there, or its to them. */
static void look_routes(struct controls *controls)
{
    auto_free char *text = NULL;
    char *line;

    if (look_file("/proc/net/route", &text) < 0)
        return;
    for (char *rest = text; (line = look_line(&rest)) != NULL;) {
        const char *link = NULL;
        if (!is_overlapping(line, &link))
            continue;
        controls_add(controls, CONTROL_MISSING, "addresses of machines",
                     look_format("/proc/net/route: %s has a route into 100.96.0.0/16", link),
                     look_format("ip route show dev %s, and take that network elsewhere: Croft "
                                 "does not start beside it",
                                 link));
        return;
    }
    controls_add(controls, CONTROL_PRESENT, "addresses of machines",
                 look_format("no route of this host leads into 100.96.0.0/16"), NULL);
}

/* Interface, destination, six more, mask; hexadecimal, as the kernel keeps them in memory. The
 * default route and our own are none. */
static bool is_overlapping(char *line, const char **ret_link)
{
    const char *field[8];
    uint32_t address;
    uint32_t mask;

    for (size_t i = 0; i < ARRAY_LEN(field); i++)
        field[i] = look_word(&line);
    if (field[7] == NULL || !hex_address(field[1], &address) || !hex_address(field[7], &mask) ||
        mask == 0 || strncmp(field[0], NET_LINK_PREFIX, strlen(NET_LINK_PREFIX)) == 0)
        return false;
    *ret_link = field[0];
    mask &= NETWORK_MASK;
    return (address & mask) == (NETWORK_IPV4 & mask);
}

static bool hex_address(const char *text, uint32_t *ret_address)
{
    uint8_t bytes[4];
    char lower[9];

    if (str_copy(lower, sizeof(lower), text) < 0)
        return false;
    for (char *at = lower; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    if (str_unhex(lower, bytes, sizeof(bytes)) < 0)
        return false;
    *ret_address = ntohl((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                         (uint32_t)bytes[2] << 8 | bytes[3]);
    return true;
}

/* As croft-net looks at it when it starts. */
static void look_ipv6(struct controls *controls)
{
    uint64_t value = 1;
    bool is_there = look_exists("/proc/sys/net/ipv6");
    bool is_on = look_number("/proc/sys/net/ipv6/conf/all/disable_ipv6", &value) == 0 && value == 0;

    controls_add(controls, is_on ? CONTROL_PRESENT : CONTROL_ADVICE, "IPv6",
                 is_on      ? look_format("is on: machines have it among each other")
                 : is_there ? look_format("net.ipv6.conf.all.disable_ipv6 is %lu: machines have "
                                          "IPv4 alone",
                                          (unsigned long)value)
                            : look_format("this kernel has none: machines have IPv4 alone"),
                 is_on ? NULL
                 : is_there
                     ? look_format("sysctl -w net.ipv6.conf.all.disable_ipv6=0, then croft host "
                                   "stop; croft host start, if machines are to have IPv6")
                     : look_format("a kernel with IPv6, if machines are to have it"));
}

static void count_learner(const char *path, const char *name, void *data)
{
    char file[LOOK_PATH_MAX];
    uint64_t value = 0;

    look_join(file, path, "accept_ra");
    if (strcmp(name, "all") != 0 && strcmp(name, "default") != 0 && strcmp(name, "lo") != 0 &&
        look_number(file, &value) == 0 && value == 1)
        ++*(size_t *)data;
}

static void look_forwarding(struct controls *controls)
{
    uint64_t value = 0;
    size_t learners = 0;
    bool is_on = look_number("/proc/sys/net/ipv4/ip_forward", &value) == 0 && value == 1;

    look_each("/proc/sys/net/ipv6/conf", count_learner, &learners);
    if (learners > 0)
        controls_add(controls, CONTROL_PRESENT, "IPv6 advertisements",
                     look_format("%zu interfaces may learn routes by them; where IPv6 is forwarded "
                                 "Croft sets accept_ra to 2 first, so that they go on",
                                 learners),
                     NULL);
    controls_add(controls, CONTROL_PRESENT, "forwarding",
                 look_format(is_on ? "is on already: who else uses it keeps it"
                                   : "is off; Croft turns it on for its own packets only, and "
                                     "puts it back"),
                 NULL);
}

static void look_sshd(struct controls *controls)
{
    auto_free char *text = NULL;
    bool has_sshd = look_file("/etc/ssh/sshd_config", &text) == 0;
    bool is_read = has_sshd && strstr(text, "sshd_config.d") != NULL;
    bool is_there = look_exists(SNIPPET);

    controls_add(controls, is_there && is_read ? CONTROL_PRESENT : CONTROL_ADVICE, "login by ssh",
                 look_format(!has_sshd   ? "there is no sshd here"
                             : !is_read  ? "sshd_config does not include sshd_config.d"
                             : !is_there ? "%s is not there"
                                         : "%s is in place",
                             SNIPPET),
                 is_there && is_read
                     ? NULL
                     : look_format("Include /etc/ssh/sshd_config.d/*.conf at the top of "
                                   "sshd_config, and make install for Croft's own file"));
}
