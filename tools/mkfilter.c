/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkfilter - turns a list of system calls into a BPF program, when Croft is built
 *
 * mkfilter LIST OUTPUT
 *
 * Theory of operation
 * A list is lines of words; "#" starts a comment. A line with one of these words starts a section
 * or sets something, every other line belongs to the section: default ENOSYS          what every
 * call gets that is not named allow                   section: calls, one or more a line errno
 * EPERM             section: calls that fail with this; 0: succeed without doing anything when
 * EPERM              section: rules that are looked at first, one a line: CALL argN is VALUE... the
 * argument is one of the values CALL argN not VALUE...  it is none of them CALL argN has VALUE...
 * it has at least one of the bits
 *     ... & argN ...          and this as well
 *
 * libseccomp makes the sections into a binary tree by number, which the kernel walks quickest. It
 * cannot say "allow, unless"; so the rules go in front as a few instructions of our own. They
 * compare the low 32 bits of an argument, because the kernel takes all arguments named in our lists
 * as ints: with 64 bits a caller could set a high bit and pass (CVE-2019-7303). Other
 * architectures' numbers kill the process: numbers mean something else there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define INSTRUCTIONS_MAX 4096U /* BPF_MAXINSNS */
#define RULES_MAX        64U
#define CONDITIONS_MAX   4U
#define VALUES_MAX       16U
#define CALLS_MAX        1024U
#define ARGUMENTS        6U
#define LINE_SIZE        1024U

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "name this architecture's AUDIT_ARCH here"
#endif

struct name {
    const char *text;
    uint32_t value;
};
#define NAME(x)                                                                                    \
    {                                                                                              \
#x, (uint32_t)(x)                                                                          \
    }

static const struct name constants[] = {
    NAME(EPERM),           NAME(ENOSYS),       NAME(EACCES),          NAME(AF_UNIX),
    NAME(AF_INET),         NAME(AF_INET6),     NAME(AF_NETLINK),      NAME(NETLINK_ROUTE),
    NAME(IPPROTO_IP),      NAME(IPPROTO_ICMP), NAME(IPPROTO_TCP),     NAME(IPPROTO_UDP),
    NAME(IPPROTO_ICMPV6),  NAME(TCP_ULP),      NAME(CLONE_NEWTIME),   NAME(CLONE_NEWNS),
    NAME(CLONE_NEWCGROUP), NAME(CLONE_NEWUTS), NAME(CLONE_NEWIPC),    NAME(CLONE_NEWUSER),
    NAME(CLONE_NEWPID),    NAME(CLONE_NEWNET), NAME(TIOCSTI),         NAME(TIOCLINUX),
    NAME(TIOCSETD),        NAME(TIOCCONS),     NAME(AF_ALG),          NAME(AF_PACKET),
    NAME(AF_VSOCK),        NAME(EAFNOSUPPORT), NAME(EPROTONOSUPPORT),
};

/* Newer than libseccomp 2.5.4; from 424 on a number is the same on every architecture. */
static const struct name newer_calls[] = {
    {"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
    {"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
    {"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
    {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
    {"removexattrat", 466},     {"open_tree_attr", 467},   {"file_getattr", 468},
    {"file_setattr", 469},      {"listns", 470},
};

enum test { TEST_IS, TEST_NOT, TEST_HAS };

struct condition {
    unsigned int argument;
    enum test test;
    uint32_t values[VALUES_MAX];
    size_t value_count;
};

struct rule {
    int call;
    uint32_t action;
    struct condition conditions[CONDITIONS_MAX];
    size_t condition_count;
};

enum section { SECTION_NONE, SECTION_CALLS, SECTION_RULES };

struct list {
    const char *file;
    unsigned int line;
    enum section section;
    uint32_t action; /* of the section */
    bool has_default;
    scmp_filter_ctx context;
    struct rule rules[RULES_MAX];
    size_t rule_count;
    char seen[CALLS_MAX];
};

struct program {
    struct sock_filter instructions[INSTRUCTIONS_MAX];
    size_t count;
};

static void read_list(struct list *list);
static void read_line(struct list *list, char *line);
static void set_default(struct list *list, const char *word);
static void add_calls(struct list *list, char *first, char **rest);
static void add_rule(struct list *list, const char *call, char **rest);
static int call_number(struct list *list, const char *name);
static uint32_t value_of(struct list *list, const char *word);
static uint32_t errno_action(struct list *list, const char *word);
static void emit_rules(const struct list *list, struct program *program);
static void emit_tree(struct list *list, struct program *program);
__attribute__((noreturn)) static void fail(const struct list *list, const char *what,
                                           const char *word);

int main(int argc, char **argv)
{
    static struct list list;
    static struct program program;

    if (argc != 3) {
        fprintf(stderr, "usage: mkfilter LIST OUTPUT\n");
        return 2;
    }
    list.file = argv[1];
    read_list(&list);
    emit_rules(&list, &program);
    emit_tree(&list, &program);
    FILE *output = fopen(argv[2], "we");
    if (output == NULL ||
        fwrite(program.instructions, sizeof(struct sock_filter), program.count, output) !=
            program.count ||
        fclose(output) != 0)
        fail(&list, "cannot write", argv[2]);
    seccomp_release(list.context);
    return 0;
}

static void read_list(struct list *list)
{
    char line[LINE_SIZE];
    FILE *file = fopen(list->file, "re");

    if (file == NULL)
        fail(list, "cannot open", list->file);
    while (fgets(line, sizeof(line), file) != NULL) {
        list->line++;
        if (strchr(line, '\n') == NULL)
            fail(list, "line too long:", line);
        line[strcspn(line, "#\n")] = '\0';
        read_line(list, line);
    }
    fclose(file);
    if (!list->has_default)
        fail(list, "no default in", list->file);
}

static void read_line(struct list *list, char *line)
{
    char *rest = NULL;
    char *word = strtok_r(line, " \t", &rest);

    if (word == NULL)
        return;
    if (strcmp(word, "default") == 0) {
        set_default(list, strtok_r(NULL, " \t", &rest));
    } else if (strcmp(word, "allow") == 0) {
        list->section = SECTION_CALLS;
        list->action = SCMP_ACT_ALLOW;
    } else if (strcmp(word, "errno") == 0 || strcmp(word, "when") == 0) {
        list->section = word[0] == 'e' ? SECTION_CALLS : SECTION_RULES;
        list->action = errno_action(list, strtok_r(NULL, " \t", &rest));
    } else if (list->section == SECTION_CALLS) {
        add_calls(list, word, &rest);
    } else if (list->section == SECTION_RULES) {
        add_rule(list, word, &rest);
    } else {
        fail(list, "outside of a section:", word);
    }
}

static void set_default(struct list *list, const char *word)
{
    if (list->has_default)
        fail(list, "a second default", NULL);
    list->context = seccomp_init(errno_action(list, word));
    if (list->context == NULL ||
        seccomp_attr_set(list->context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
        seccomp_attr_set(list->context, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0)
        fail(list, "libseccomp refuses the default", word);
    list->has_default = true;
}

static void add_calls(struct list *list, char *first, char **rest)
{
    if (!list->has_default)
        fail(list, "the default comes first", NULL);
    for (char *word = first; word != NULL; word = strtok_r(NULL, " \t", rest)) {
        int call = call_number(list, word);
        if (call < 0)
            continue; /* another architecture's */
        if (list->seen[call]++)
            fail(list, "named twice:", word);
        if (seccomp_rule_add(list->context, list->action, call, 0) != 0)
            fail(list, "libseccomp refuses", word);
    }
}

static void add_rule(struct list *list, const char *name, char **rest)
{
    struct rule *rule = &list->rules[list->rule_count];
    struct condition *condition = NULL;

    if (list->rule_count == RULES_MAX)
        fail(list, "too many rules:", name);
    rule->call = call_number(list, name);
    rule->action = list->action;
    for (char *word = strtok_r(NULL, " \t", rest); word != NULL;
         word = strtok_r(NULL, " \t", rest)) {
        if (strcmp(word, "&") == 0) {
            condition = NULL;
            continue;
        }
        if (condition != NULL) {
            if (condition->value_count == VALUES_MAX)
                fail(list, "too many values:", word);
            condition->values[condition->value_count++] = value_of(list, word);
            continue;
        }
        const char *test = strtok_r(NULL, " \t", rest);
        if (rule->condition_count == CONDITIONS_MAX || strncmp(word, "arg", 3) != 0 || !test)
            fail(list, "not a condition:", word);
        condition = &rule->conditions[rule->condition_count++];
        condition->argument = (unsigned int)(word[3] - '0');
        if (condition->argument >= ARGUMENTS || word[4] != '\0')
            fail(list, "no such argument:", word);
        if (strcmp(test, "is") == 0)
            condition->test = TEST_IS;
        else if (strcmp(test, "not") == 0)
            condition->test = TEST_NOT;
        else if (strcmp(test, "has") == 0)
            condition->test = TEST_HAS;
        else
            fail(list, "neither is, not nor has:", test);
    }
    if (rule->condition_count == 0)
        fail(list, "a rule without a condition:", name);
    for (size_t i = 0; i < rule->condition_count; i++)
        if (rule->conditions[i].value_count == 0)
            fail(list, "a condition without a value:", name);
    if (rule->call >= 0)
        list->rule_count++;
    else
        *rule = (struct rule){0};
}

/* Return: negative: known, but not on this architecture */
static int call_number(struct list *list, const char *name)
{
    int call = seccomp_syscall_resolve_name(name);

    if (call != __NR_SCMP_ERROR)
        return call;
    for (size_t i = 0; i < sizeof(newer_calls) / sizeof(newer_calls[0]); i++)
        if (strcmp(newer_calls[i].text, name) == 0)
            return (int)newer_calls[i].value;
    fail(list, "no such system call:", name);
}

static uint32_t value_of(struct list *list, const char *word)
{
    char *end = NULL;

    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
        if (strcmp(constants[i].text, word) == 0)
            return constants[i].value;
    errno = 0;
    unsigned long value = strtoul(word, &end, 0);
    if (errno != 0 || *end != '\0' || end == word || value > UINT32_MAX)
        fail(list, "no such value:", word);
    return (uint32_t)value;
}

static uint32_t errno_action(struct list *list, const char *word)
{
    if (word == NULL)
        fail(list, "an errno is missing", NULL);
    return SCMP_ACT_ERRNO(value_of(list, word));
}

static void emit(struct program *program, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    if (program->count < INSTRUCTIONS_MAX)
        program->instructions[program->count++] =
            (struct sock_filter){.code = code, .jt = jt, .jf = jf, .k = k};
}

/* One condition: goes on with the next instruction when it holds, else to the rule's end, which
 * stands @left instructions after this condition. */
static void emit_condition(const struct condition *condition, size_t left, struct program *program)
{
    const uint16_t code =
        (uint16_t)(BPF_JMP | (condition->test == TEST_HAS ? BPF_JSET : BPF_JEQ) | BPF_K);
    const uint32_t low =
        (uint32_t)(offsetof(struct seccomp_data, args) + condition->argument * sizeof(uint64_t));

    /* Both architectures that Croft knows have the low half first. */
    emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, low);
    for (size_t i = 0; i < condition->value_count; i++) {
        size_t after = condition->value_count - i - 1;
        bool last = after == 0;
        if (condition->test == TEST_NOT)
            emit(program, code, (uint8_t)(after + left), 0, condition->values[i]);
        else
            emit(program, code, (uint8_t)after, last ? (uint8_t)left : 0, condition->values[i]);
    }
}

static size_t condition_size(const struct condition *condition)
{
    return 1 + condition->value_count;
}

static void emit_rules(const struct list *list, struct program *program)
{
    size_t jump_over = 0;

    if (list->rule_count == 0)
        return;
    emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE_ARCH);
    jump_over = program->count;
    emit(program, BPF_JMP | BPF_JA, 0, 0, 0);
    for (size_t i = 0; i < list->rule_count; i++) {
        const struct rule *rule = &list->rules[i];
        size_t left = 1; /* the return */
        for (size_t j = 0; j < rule->condition_count; j++)
            left += condition_size(&rule->conditions[j]);
        emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)left, (uint32_t)rule->call);
        for (size_t j = 0; j < rule->condition_count; j++) {
            left -= condition_size(&rule->conditions[j]);
            emit_condition(&rule->conditions[j], left, program);
        }
        emit(program, BPF_RET | BPF_K, 0, 0, rule->action);
    }
    program->instructions[jump_over].k = (uint32_t)(program->count - jump_over - 1);
}

/* libseccomp writes to a descriptor only. */
static void emit_tree(struct list *list, struct program *program)
{
    FILE *file = tmpfile();

    if (file == NULL || seccomp_export_bpf(list->context, fileno(file)) != 0)
        fail(list, "libseccomp cannot export", list->file);
    rewind(file);
    size_t room = INSTRUCTIONS_MAX - program->count;
    size_t got =
        fread(program->instructions + program->count, sizeof(struct sock_filter), room, file);
    if (got == 0 || got == room)
        fail(list, "the program has no or too many instructions:", list->file);
    program->count += got;
    fclose(file);
}

static void fail(const struct list *list, const char *what, const char *word)
{
    fprintf(stderr, "mkfilter: %s:%u: %s %s\n", list->file, list->line, what, word ? word : "");
    exit(1);
}
