/* SPDX-License-Identifier: Apache-2.0 */
/* groups - control groups: which controllers this host has, and in which layout */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "doctor/controls.h"
#include "doctor/look.h"

/* v1: mounted on its own; v2: in the one tree */
struct layout {
    bool is_v2;
    char *names; /* " memory pids ..." with a blank before and behind each */
};

static const struct {
    const char *name;
    bool is_needed;
    const char *without;
} controllers[] = {
    {"memory", true, "cgroup_enable=memory on the kernel's command line"},
    {"pids", true, "a kernel with CONFIG_CGROUP_PIDS"},
    {"cpu", true, "a kernel with CONFIG_FAIR_GROUP_SCHED"},
    {"freezer", true, "a kernel with CONFIG_CGROUP_FREEZER, mounted: mount -t cgroup -o freezer"},
    {"devices", false, "device nodes are then held by the user namespace and nodev alone"},
    {"blkio", false, "a user's direct reads and writes then have no limit but her own disk's"},
};

static void take_v1(struct layout *layout, char *text);
static bool has(const struct layout *layout, const char *name);
static void add(struct layout *layout, const char *name);

void controls_cgroups(struct controls *controls)
{
    struct layout layout = {.names = look_format(" ")};
    auto_free char *v2 = NULL;
    auto_free char *mounts = NULL;

    if (look_file("/sys/fs/cgroup/cgroup.controllers", &v2) == 0) {
        char *rest = v2;
        const char *word;
        v2[strcspn(v2, "\n")] = '\0';
        while ((word = look_word(&rest)) != NULL)
            add(&layout, strcmp(word, "io") == 0 ? "blkio" : word);
        layout.is_v2 = has(&layout, "memory") && has(&layout, "pids");
    }
    if (!layout.is_v2 && look_file("/proc/self/mountinfo", &mounts) == 0)
        take_v1(&layout, mounts);
    controls_add(controls, layout.is_v2 ? CONTROL_PRESENT : CONTROL_FALLBACK, "cgroup layout",
                 look_format("%s, as mounted", layout.is_v2 ? "v2" : "hybrid v1"),
                 layout.is_v2 ? NULL
                              : look_format("v1 does not hold buffered writes to a limit; "
                                            "systemd.unified_cgroup_hierarchy=1 gives v2"));
    for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
        /* v2 freezes without a controller, and has devices as BPF. */
        bool is_there = has(&layout, controllers[i].name) ||
                        (layout.is_v2 && (strcmp(controllers[i].name, "freezer") == 0 ||
                                          strcmp(controllers[i].name, "devices") == 0));
        auto_free char *name = look_format("cgroup %s", controllers[i].name);
        controls_add(controls,
                     is_there                   ? CONTROL_PRESENT
                     : controllers[i].is_needed ? CONTROL_MISSING
                                                : CONTROL_FALLBACK,
                     name, look_format(is_there ? "the kernel offers it" : "not mounted"),
                     is_there ? NULL : look_format("%s", controllers[i].without));
    }
    free(layout.names);
}

/* The fifth field is where it is; behind the dash: "cgroup", the device, and the options, which
 * name the controllers. */
static void take_v1(struct layout *layout, char *text)
{
    char *line;

    while ((line = look_line(&text)) != NULL) {
        char *kind = strstr(line, " - cgroup ");
        char *place = line;
        char tasks[LOOK_PATH_MAX];
        if (kind == NULL)
            continue;
        for (size_t i = 0; i < 4; i++)
            (void)look_word(&place);
        const char *where = look_word(&place);
        if (where == NULL || kind < place)
            continue;
        /* One that something else is mounted over is no use. */
        look_join(tasks, where, "cgroup.procs");
        if (!look_exists(tasks))
            continue;
        kind += strlen(" - cgroup ");
        (void)look_word(&kind);
        const char *name;
        while ((name = strsep(&kind, ", ")) != NULL)
            add(layout, name);
    }
}

static bool has(const struct layout *layout, const char *name)
{
    auto_free char *wanted = look_format(" %s ", name);
    return strstr(layout->names, wanted) != NULL;
}

static void add(struct layout *layout, const char *name)
{
    char *names = look_format("%s%s ", layout->names, name);
    free(layout->names);
    layout->names = names;
}
