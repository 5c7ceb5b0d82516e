/* SPDX-License-Identifier: Apache-2.0 */
/* table - the table `inet croft` as a whole */
#include "net/table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"
#include "net/elements.h"

#define NFT         "/usr/sbin/nft"
#define DEFINE_SIZE 80U
/* Newer kernels say how many elements a set has (NFTA_SET_COUNT); that is none of its form. */
#define SET_ATTRIBUTE_LAST NFTA_SET_EXPRESSIONS

static const char RULES[] = CROFT_LIB_DIR "/croft.nft";

struct look {
    struct sha256 hash;
    uint16_t last_attribute;
    uint32_t objects;
};

static int text_hash(const struct net_prefix *prefix, bool open, uint8_t ret_hash[SHA256_SIZE]);
static int run_nft(const char *const *argv, struct err *err);
static int look_at(struct netlink *netfilter, struct table *ret_table);
static int look_list(struct netlink *netfilter, struct look *look, uint16_t type);
static int on_object(const struct nlmsghdr *message, void *data);
static int on_generation(const struct nlmsghdr *message, void *data);

int table_whole(struct netlink *netfilter, int keep, const struct net_prefix *prefix, bool open,
                struct table *ret_table)
{
    struct table kept;
    struct table found;

    int rc = text_hash(prefix, open, found.text);
    if (rc == 0)
        rc = look_at(netfilter, &found);
    if (rc < 0)
        return rc;
    if (pread(keep, &kept, sizeof(kept), 0) != (ssize_t)sizeof(kept) ||
        memcmp(&kept, &found, sizeof(kept)) != 0)
        return 0;
    *ret_table = found;
    return 1;
}

int table_load(struct netlink *netfilter, int keep, const struct net_prefix *prefix, bool open,
               struct table *ret_table, struct err *err)
{
    /* In the test build: the first rule of each chain accepts. */
    static const char *const open_argv[] = {NFT,
                                            "insert rule inet croft prerouting accept;"
                                            "insert rule inet croft forward accept;"
                                            "insert rule inet croft input accept;"
                                            "insert rule inet croft output accept",
                                            NULL};
    const struct in_addr net4 = {.s_addr = htonl(prefix->ipv4)};
    char address4[INET_ADDRSTRLEN];
    char address6[INET6_ADDRSTRLEN];
    char define4[DEFINE_SIZE];
    char define6[DEFINE_SIZE];
    const char *const argv[] = {NFT, "-D", define4, "-D", define6, "-f", RULES, NULL};
    struct table table;

    inet_ntop(AF_INET, &net4, address4, sizeof(address4));
    inet_ntop(AF_INET6, prefix->ipv6, address6, sizeof(address6));
    if (str_format(define4, sizeof(define4), "prefix4=%s/16", address4) < 0 ||
        str_format(define6, sizeof(define6), "prefix6=%s/48", address6) < 0)
        croft_bug("a prefix is too long");
    int rc = run_nft(argv, err);
    if (rc == 0 && open)
        rc = run_nft(open_argv, err);
    if (rc != 0)
        return rc;
    rc = text_hash(prefix, open, table.text);
    if (rc == 0)
        rc = look_at(netfilter, &table);
    if (rc == 0 && pwrite(keep, &table, sizeof(table), 0) != (ssize_t)sizeof(table))
        rc = -EIO;
    if (rc < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, rc, "cannot look at the table inet croft");
    *ret_table = table;
    return 0;
}

int table_changed(struct netlink *netfilter, const struct table *table)
{
    struct table found = *table;
    int rc = look_at(netfilter, &found);
    return rc < 0 ? rc : memcmp(&found, table, sizeof(found)) != 0;
}

int table_rules(struct netlink *netfilter, uint32_t *ret_rules)
{
    struct look look = {.last_attribute = UINT16_MAX};

    sha256_init(&look.hash);
    int rc = look_list(netfilter, &look, NFT_MSG_GETRULE);
    if (rc == 0 || rc == -ENOENT)
        *ret_rules = look.objects;
    return rc == -ENOENT ? 0 : rc;
}

int table_generation(struct netlink *netfilter, uint32_t *ret_generation)
{
    char buffer[64];
    uint32_t generation = 0;
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));

    message->nlmsg_type = netlink_nft(NFT_MSG_GETGEN);
    *generic = (struct nfgenmsg){.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0};
    int rc = netlink_ask(netfilter, message, on_generation, &generation);
    if (rc == 0)
        *ret_generation = generation;
    return rc;
}

int table_remove(struct netlink *netfilter)
{
    auto_batch batch;

    netlink_batch_start(&batch, netfilter, true);
    struct nlmsghdr *message =
        netlink_message(&batch, netlink_nft(NFT_MSG_DELTABLE), 0, sizeof(struct nfgenmsg));
    struct nfgenmsg *generic = mnl_nlmsg_get_payload(message);
    generic->nfgen_family = NFPROTO_INET;
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, TABLE_NAME);
    netlink_message_end(&batch, message);
    return netlink_commit(&batch);
}

static int text_hash(const struct net_prefix *prefix, bool open, uint8_t ret_hash[SHA256_SIZE])
{
    char bytes[4096];
    struct sha256 hash;
    ssize_t got;

    auto_close file = path_root(RULES, O_RDONLY);
    if (file < 0)
        return file;
    sha256_init(&hash);
    while ((got = fd_read_full(file, bytes, sizeof(bytes))) > 0)
        sha256_add(&hash, bytes, (size_t)got);
    if (got < 0)
        return (int)got;
    sha256_add(&hash, prefix, sizeof(*prefix));
    sha256_add(&hash, &open, sizeof(open));
    sha256_end(&hash, ret_hash);
    return 0;
}

/* What it has to say it says to the log. */
static int run_nft(const char *const *argv, struct err *err)
{
    char *const envp[] = {NULL};
    int status;

    pid_t pid = fork();
    if (pid == 0) {
        execve(argv[0], (char *const *)(uintptr_t)argv, envp);
        _exit(OUTCOME_HOST_CANNOT);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return err_errno(err, OUTCOME_HOST_CANNOT, -errno, "cannot run " NFT);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, OUTCOME_HOST_CANNOT,
                       NFT " did not load the table inet croft: is the package nftables installed "
                           "and does the kernel have nf_tables?");
    return 0;
}

static int look_at(struct netlink *netfilter, struct table *ret_table)
{
    static const uint16_t lists[] = {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETSET,
                                     NFT_MSG_GETRULE};
    struct look look;
    int rc = 0;

    sha256_init(&look.hash);
    for (size_t i = 0; i < ARRAY_LEN(lists) && rc == 0; i++)
        rc = look_list(netfilter, &look, lists[i]);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    sha256_end(&look.hash, ret_table->kernel);
    ret_table->rules = look.objects;
    return 0;
}

static int look_list(struct netlink *netfilter, struct look *look, uint16_t type)
{
    const struct sha256 before = look->hash;
    char buffer[128];
    int rc;

    do {
        look->hash = before;
        look->objects = 0;
        look->last_attribute = type == NFT_MSG_GETSET ? SET_ATTRIBUTE_LAST : UINT16_MAX;
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        message->nlmsg_type = netlink_nft(type);
        message->nlmsg_flags = NLM_F_DUMP;
        struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
        *generic = (struct nfgenmsg){.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
        /* The same number in all four; only some lists are made shorter by it. */
        mnl_attr_put_strz(message, NFTA_RULE_TABLE, TABLE_NAME);
        rc = netlink_ask(netfilter, message, on_object, look);
    } while (rc == -EINTR);
    return rc;
}

/* The head of the message is left out: it has the generation in it. */
static int on_object(const struct nlmsghdr *message, void *data)
{
    struct look *look = data;
    const struct nlattr *attribute;
    bool ours = false;

    each_attribute (attribute, message, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(attribute) == NFTA_RULE_TABLE &&
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
            ours = strcmp(mnl_attr_get_str(attribute), TABLE_NAME) == 0;
    }
    if (!ours)
        return MNL_CB_OK;
    look->objects++;
    each_attribute (attribute, message, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(attribute) <= look->last_attribute)
            sha256_add(&look->hash, attribute, attribute->nla_len);
    }
    return MNL_CB_OK;
}

static int on_generation(const struct nlmsghdr *message, void *data)
{
    uint32_t *generation = data;
    const struct nlattr *attribute;

    each_attribute (attribute, message, sizeof(struct nfgenmsg)) {
        if (mnl_attr_get_type(attribute) == NFTA_GEN_ID &&
            mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            *generation = ntohl(mnl_attr_get_u32(attribute));
    }
    return MNL_CB_OK;
}
