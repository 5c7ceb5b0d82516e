/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits - every limit and default of Croft, each with its reason; docs/limits.md is the same
 * table for people and a test compares the two
 */
#ifndef CROFT_WIRE_LIMITS_H
#define CROFT_WIRE_LIMITS_H

#define KIB 1024ULL
#define MIB (1024ULL * KIB)
#define GIB (1024ULL * MIB)

/* Names: a machine, an image, a user. 32 is useradd's own limit; the field has room for the 0. */
#define NAME_MAX_LEN 32
#define NAME_SIZE    40

/* The one Croft user who is no person: the admin builds images in her machines. */
#define SYSTEM_USER "_build"
/* The image that Croft is installed with; it becomes each new user's first. */
#define BUILT_IN_IMAGE "busybox"

/* Ids (invariant 2): neither useradd nor systemd hands these out. */
#define ID_RANGE_FIRST   1879048192U
#define ID_RANGE_LAST    2147352575U
#define BLOCK_COUNT      65536U
#define USERS_MAX        4000U /* blocks grow from the first id up, keepers from the last down */
#define PLAN_LAYERS_MAX  16U
#define PLAN_GROUPS_MAX  16U
#define PLAN_ARGS_MAX    1024U
#define PLAN_STRINGS_MAX (48U * 1024U)

/* The door and croftd's socket. */
#define MESSAGE_SIZE_MAX         (64U * 1024U)
#define MESSAGE_FDS_MAX          24U
#define CONNECTIONS_PER_USER_MAX 16U
#define SESSIONS_PER_USER_MAX    64U /* a running run/exec no longer counts as a connection */
#define CONNECTIONS_STRANGER_MAX 4U  /* an account that is no Croft user: one line, then closed */
#define CONNECTIONS_MAX          4096U
#define CLIENT_STALL_MS          5000U  /* who does not read, or sends half a message, is dropped */
#define CLIENT_IDLE_MS           60000U /* who is connected to croftd and says nothing, too */
#define DISK_LOOK_MS             5000U  /* how old what croftd knows of a disk may be */
#define IMAGE_PROGRESS_MS        200U

/* The network of machines. A /16: a slot for each machine. */
#define NETWORK_IPV4            0x64600000U /* 100.96.0.0: carrier-grade NAT, on no host's LAN */
#define NETWORK_MTU             1500U
#define NETWORK_SERVICES_MAX    16U     /* resolvers and apt proxies of the host */
#define DEFAULT_NET_PACKETS     200000U /* a user's packets in a second, each way */
#define DEFAULT_NET_CONNECTIONS 8192U   /* a user's entries in connection tracking */
#define NET_PACKETS_MIN         100U
#define NET_CONNECTIONS_MIN     16U
#define NET_BYTES_MIN           (16ULL * KIB)
/* Of what the host's table of connections holds: the default if it is less; no user gets more. */
#define DEFAULT_NET_CONNECTIONS_PART 8U
#define NET_CONNECTIONS_PART         2U
/* A start that gets no link within this time has failed: croft-net is away, or hangs. */
#define LINK_TIMEOUT_MS 10000U
/* croft-net, while it is told everything: the first answer waits for the kernel's modules. */
#define NET_SYNC_STALL_MS 30000U
/* Names that one machine's /etc/hosts can hold: hers and those granted to her. */
#define HOSTS_NAMES_MAX 1100U

/* Grants and asks. */
#define GRANTS_PER_USER_MAX       1000U /* given by her, live; and given to her */
#define GRANTS_TO_ONE_MAX         250U  /* by one owner to one other: room for others' is left */
#define GRANT_CONNECTIONS_DEFAULT 512U
#define GRANT_CONNECTIONS_MAX     65535U
#define GRANT_RATE_DEFAULT        200U /* new connections in a second */
#define GRANT_RATE_MAX            100000U
#define GRANT_END_MAX_WALL_S      4294967295ULL /* 2106-02-07: no end lies beyond it */
#define ASK_WHY_SIZE              128U
#define ASKS_PER_USER_MAX         16U /* of one asker, waiting; an older one has to be answered */
#define ASKS_TO_USER_MAX          64U /* waiting for one owner */
#define ASK_TTL_S                 604800U /* a week: then nobody will answer it */
/* A cut tells both ends within this time, or is over anyway: no packet passes by then. */
#define CUT_TIMEOUT_MS 1000U

/* Objects of one user. */
#define MACHINES_PER_USER_MAX 64U
#define IMAGES_PER_USER_MAX   64U
#define IMPORTS_PER_USER_MAX  4U /* at one time: each is a process and a tree on the disk */
#define LAYER_TRASH_BATCH     64U

/* Control groups that a runtime attaches itself to: one per v1 hierarchy, and there are fewer. */
#define JOB_CGROUPS_MAX 10U

/* What the host keeps for itself. */
#define HOST_RESERVE_MEMORY_MIN  (512ULL * MIB) /* or a tenth, whichever is more */
#define HOST_RESERVE_MEMORY_PART 10U
#define HOST_RESERVE_PIDS        1024U
#define HOST_RESERVE_CPU_PERCENT 5U
#define HOST_PID_MAX             4194304U

/* A new user (design 11). */
#define DEFAULT_MEMORY_MAX      (2ULL * GIB) /* or a quarter of the host's rest, whichever is less */
#define DEFAULT_MEMORY_PART     4U
#define DEFAULT_PIDS            1000U
#define DEFAULT_DISK_MAX        (10ULL * GIB) /* or a tenth of the free space, whichever is less */
#define DEFAULT_DISK_PART       10U
#define DEFAULT_BYTES_PER_INODE 16384U
#define DEFAULT_NOFILE          16384U

/* What a limit may be set to. */
#define MEMORY_MIN_BYTES (16ULL * MIB)
#define PIDS_MIN         16U
#define DISK_MIN_BYTES   (32ULL * MIB)
#define INODES_MIN       1024U
#define CPU_MILLI_MIN    10U

/* The groups beside a user's envelope (invariant 8). */
#define GATE_PIDS     32U
#define GATE_MEMORY   (64ULL * MIB)
#define RESCUE_PIDS   32U
#define RESCUE_MEMORY (64ULL * MIB)
/* Of each of the two, in thousandths of a CPU: they are no way around a limit of CPU. */
#define ASIDE_CPU_MILLI 500U
/* Spare files in the volume, deleted when she is at her limit so that a machine can start. */
#define SPARE_INODES 64U
#define SPARE_BYTES  (1ULL * MIB)
/* Written pages of one volume that may wait in memory; beyond it, only its own writers wait. */
#define VOLUME_DIRTY_BYTES (64ULL * MIB)

/* Logs: two files of this size in turn, kept by croft-init. */
#define LOG_FILE_BYTES (1ULL * MIB)

/* Records. */
#define RECORD_SYNC_MS 100U /* run and exec are synced in groups within this time */
/* A user's file of records: then she may stop and remove, until an admin adds her anew. */
#define RECORD_FILE_MAX (256ULL * MIB)
/* Of the disk, held for each file's end: with less, nothing is begun, and some 100 stops and
 * revokes still have where to be written. */
#define RECORD_RESERVE (64ULL * KIB)
/* The host's own file: no user decides how it grows, and without it nobody can be added. */
#define RECORD_HOST_FILE_MAX (1ULL * GIB)
/* Of a user's file: what others caused by granting, asking and revoking. One half is whoever's is
 * first, the other is for all users in equal parts; then they cannot begin more. */
#define RECORD_FOREIGN_MAX (64ULL * MIB)
/* Entries that one user may cause in others' files in a row, and when one comes back. */
#define FOREIGN_ENTRIES_MAX  20000U
#define FOREIGN_ENTRY_BACK_S 60U
#define KEY_FILE_MAX         (16U * 1024U)

/* When a user's memory ends, the kernel ends a command before pid 1, which is the machine. */
#define COMMAND_OOM_SCORE_ADJ "500"

/* An image's own first-start; then the machine's command starts anyway. */
#define FIRST_START_TIMEOUT_MS 30000U
/* So long a login waits for the account that first-start makes; then it is the machine's root. */
#define FIRST_START_WAIT_MS 5000U

/* Stopping. */
#define STOP_TIMEOUT_MS 10000U

/* An image's own settings: entry point, command, environment; they travel in one pipe message. */
#define IMAGE_CONFIG_STRINGS_MAX 3000U

/* Unpacking an image. */
#define IMAGE_ENTRIES_MAX 2000000ULL
#define IMAGE_PATH_MAX    4096U
#define IMAGE_CPU_SECONDS 600U
/* Of an image with its layers. Docker builds 127 at most; the tools of an image build have more. */
#define IMAGE_LAYERS_MAX       256U
#define IMAGE_LAYOUT_FILES_MAX 1024U
#define IMAGE_JSON_MAX         (1024U * 1024U)
#define IMAGE_JSON_DEPTH_MAX   16U

#endif
