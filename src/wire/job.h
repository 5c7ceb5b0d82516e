/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job - what the monitor tells a croft-runtime over its channel, and what comes back
 *
 * The first message is struct job, followed by a struct plan (JOB_START), a struct command
 * (JOB_JOIN) or a struct job_sockets (JOB_SOCKETS); its descriptors come in the order of enum
 * job_fd, those named in fds_present only, the cgroup ones last. Then the runtime sends READY
 * messages, waits for one byte JOB_GO, and becomes the instance. The runtime trusts the job: the
 * monitor checked it.
 */
#ifndef CROFT_WIRE_JOB_H
#define CROFT_WIRE_JOB_H

#include "wire/net.h"
#include "wire/plan.h"

#define JOB_VERSION 1U
#define JOB_GO      'g'
#define JOB_NETWORK 'n' /* the inside end of the link is there; comes before JOB_GO */

enum job_kind {
    JOB_START = 1, /* become a new instance */
    JOB_JOIN,      /* become a process in a running one */
    JOB_MOVE,      /* put the processes in pids[] into the cgroups, end */
    JOB_UNPACK,    /* become croft-image unpack: tar from STDIN into the tree VOLUME */
    JOB_SOCKETS,   /* look at, or destroy, sockets in the network namespace of PIDFD */
    JOB_REMOVE,    /* become croft-image remove: delete everything in the tree VOLUME */
};

/*
 * JOB_FD_VOLUME: a detached clone (open_tree) of: her volume's root (START), the staging
 *                directory of an unpack, her trash directory (REMOVE)
 * JOB_FD_FILTER: the BPF program, an open file
 * JOB_FD_EXEC:   croft-init in her volume (START, and JOIN with a user name), croft-image (UNPACK,
 *                REMOVE)
 * JOB_FD_PIDFD:  pid 1 of the instance to join
 * JOB_FD_STDIN.. absent: /dev/null, and for a machine's output the log
 * JOB_FD_LOG0/1: for croft-init
 * JOB_FD_HOSTS, JOB_FD_RESOLV: detached clones of the files that become /etc/hosts and
 *                /etc/resolv.conf inside, read-only (START)
 * JOB_FD_CGROUP: cgroup_count of them: files cgroup.procs (v1) or one directory (v2)
 */
enum job_fd {
    JOB_FD_VOLUME = 0,
    JOB_FD_FILTER,
    JOB_FD_EXEC,
    JOB_FD_PIDFD,
    JOB_FD_STDIN,
    JOB_FD_STDOUT,
    JOB_FD_STDERR,
    JOB_FD_LOG0,
    JOB_FD_LOG1,
    JOB_FD_HOSTS,
    JOB_FD_RESOLV,
    JOB_FD_CGROUP, /* the first of cgroup_count */
};

enum job_flag {
    JOB_TTY = 1U << 0,
    JOB_STDIN_OPEN = 1U << 1,
    JOB_CGROUP_V2 = 1U << 2, /* the cgroup descriptor is a v2 directory for CLONE_INTO_CGROUP */
    JOB_VOLATILE = 1U << 3,  /* mount the overlay volatile: a --rm job */
};

/* upper: directory of the instance below "instances/" in the volume (its name) */
struct job {
    uint32_t version;
    uint32_t kind;
    uint32_t flags;
    uint32_t fds_present; /* bit i: enum job_fd i; bit JOB_FD_CGROUP: cgroup_count > 0 */
    uint32_t cgroup_count;
    uint32_t block_first;
    uint32_t block_count;
    uint32_t keeper_id;
    uint32_t nofile;
    uint16_t rows;
    uint16_t columns;
    uint64_t shm_bytes; /* size of /dev/shm */
    int32_t pids[2];    /* JOB_MOVE; 0: none */
    uint32_t without;   /* test builds only: enum ablate bits; 0 in every other build */
    uint32_t body_size;
    uint32_t slot; /* START: 0: no network but its own loopback */
    struct net_prefix prefix;
};
_Static_assert(sizeof(struct job) == 88, "wire layout");

enum sockets_what {
    SOCKETS_LOOK = 1,   /* who listens on protocol and port */
    SOCKETS_CUT_SERVER, /* destroy: local port, remote one of the peers */
    SOCKETS_CUT_CLIENT, /* destroy: remote is the server slot and port */
};

/* slot: of the server; peer: slots of the other end (CUT_SERVER) */
struct job_sockets {
    uint32_t what;
    uint16_t protocol;
    uint16_t port;
    uint32_t slot;
    uint32_t peer_count;
    uint32_t peer[MACHINES_PER_USER_MAX];
};

/* --without of the test build (never installed): which control is left out. */
enum ablate {
    ABLATE_USERNS = 1U << 0,
    ABLATE_SECCOMP = 1U << 1,
    ABLATE_CAPS = 1U << 2,
    ABLATE_CGROUP = 1U << 3,
    ABLATE_IDRANGE = 1U << 4,
    ABLATE_NFTABLES = 1U << 5, /* croft-net loads the table without a rule that refuses */
};

/* How far the runtime came; with error != 0 this is where it failed. */
enum ready_stage {
    READY_RECEIVED = 1,
    READY_CGROUP,
    READY_USERNS,
    READY_MOUNTS,
    READY_OVERLAY,
    READY_PROC,
    READY_ROOT,
    READY_NETWORK,
    READY_STDIO,
    READY_TERMINAL,
    READY_LIMITS,
    READY_SECCOMP,
    READY_CAPABILITIES,
    READY_JOIN,
    READY_NETNS,   /* by the process: fds: its network namespace; it goes on until JOB_NETWORK */
    READY_SOCKETS, /* JOB_SOCKETS is done; number: see struct ready */
    READY_PROCESS, /* sent by the first half: pid is set, fds: its pidfd */
    READY_WAITING, /* sent by the process itself: it waits for JOB_GO; fds: pty master */
    READY_EXEC,    /* only with an error: the program could not be executed */
    READY_WORKDIR, /* only with an error: the working directory could not be entered */
    READY_STAGE_COUNT
};

struct ready {
    uint32_t version;
    uint32_t stage;
    int32_t error; /* 0 or errno, positive */
    int32_t pid;   /* host pid, READY_PROCESS */
    /* READY_SOCKETS: destroyed; or (SOCKETS_LOOK) listening for all, listening on loopback only */
    uint32_t number[2];
};
_Static_assert(sizeof(struct ready) == 24, "wire layout");

/** ready_stage_text() - what the stage does, for a sentence: "mounting the root file system" */
const char *ready_stage_text(uint32_t stage);

#endif
