# SPDX-License-Identifier: Apache-2.0
"""rules - the boundaries of the source as functions: each returns what breaks its rule

A rule takes what it judges as arguments, so that every test can hand it the tree and then a planted
violation: a rule that cannot fail proves nothing.
"""
import os
import pathlib
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
SRC = TOP / "src"
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 100
FUNCTION_LINES_WORTH_A_LOOK = 60


# --- text of C files -------------------------------------------------------------------------

def c_files(*suffixes, below=SRC):
    return sorted(p for p in below.rglob("*") if p.suffix in (suffixes or (".c", ".h")))


def name_of(path):
    """src/base/fd.c -> base/fd.c"""
    return str(path.relative_to(SRC)) if path.is_relative_to(SRC) else str(path.relative_to(TOP))


def code_only(text):
    """The text with comments and the insides of literals blanked, line numbers kept."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        found = match.group()
        if found[0] == "/":
            return "\n" * found.count("\n") or " "
        return found[0] + "_" * (len(found) - 2) + found[0]
    return token.sub(blank, text)


def calls(code):
    """Each call in blanked code: (line, name, argument text)."""
    for match in re.finditer(r"\b([A-Za-z_]\w*)\s*\(", code):
        depth, end = 1, match.end()
        while end < len(code) and depth:
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        yield code.count("\n", 0, match.start()) + 1, match.group(1), code[match.end():end - 1]


# --- banned calls ----------------------------------------------------------------------------

# Unbounded, locale-bound, shell-calling, or parsing numbers beside base/str.h.
BANNED_ANYWHERE = set("""
    strcpy strcat stpcpy strncpy strncat sprintf vsprintf gets system popen
    atoi atol atoll atof strtol strtoul strtoll strtoull strtod strtoimax strtoumax
    scanf sscanf fscanf strtok strtok_r mktemp tmpnam tempnam alloca strdupa
    execl execlp execle execvp execvpe realpath getwd pthread_create setjmp longjmp
    dup accept pipe epoll_create inotify_init creat
""".split())

# Take a name and walk it by string: the one module for that is linux/path.c.
BANNED_PATH = set("""
    open open64 openat openat2 mkdir mkdirat mknod mknodat mkfifo mkfifoat
    chown lchown fchownat chmod fchmodat unlink unlinkat remove rmdir
    rename renameat renameat2 link linkat symlink symlinkat readlink readlinkat
    mount umount umount2 pivot_root chroot chdir truncate utimensat utimes
    stat lstat fstatat access faccessat statfs fopen freopen opendir
    setxattr lsetxattr getxattr lgetxattr listxattr llistxattr removexattr
""".split())

# Where such a call is right all the same: file -> (calls, why).
PATH_EXEMPT = {
    "linux/path.c": (BANNED_PATH, "it is the module"),
    "linux/mounts.c": ({"mount", "umount2", "chdir"}, "in a mount namespace of its own"),
    "linux/volume.c": ({"umount2", "chdir"}, "one component, relative to an open directory"),
    "image/tree.c": (BANNED_PATH, "ids of the block only, one component beneath an open directory"),
    "runtime/join.c": ({"chdir"}, "the working directory inside, as the user inside"),
    "init/main.c": ({"chdir", "openat", "faccessat", "unlinkat"},
                    "the directory inside; its own out-of-memory score; the image's first-start"),
    "init/user.c": ({"openat", "faccessat"},
                    "passwd, group and first-start inside, with the instance's own rights"),
    "cli/file.c": ({"openat"}, "the caller's own files under the caller's own uid"),
    "cli/main.c": ({"openat"}, "/dev/null where a standard descriptor is closed"),
    "cli/image.c": ({"faccessat", "opendir", "fstatat"},
                    "compiled-in directories that everybody may read, with the caller's own rights"),
    "cli/build.c": ({"openat", "unlinkat", "renameat"},
                    "compiled-in paths and one component of a checked name; only root gets anywhere"),
    "cli/records.c": ({"openat"}, "compiled-in path, with the reader's own rights"),
    "cli/host.c": ({"openat", "mkdirat"}, "compiled-in paths; only root gets anywhere"),
    "cli/network.c": ({"openat"}, "compiled-in paths, read by a child without privilege"),
    "cli/pidmax.c": ({"openat", "unlinkat"}, "compiled-in paths; only root gets anywhere"),
    "doctor/look.c": ({"openat", "readlinkat", "fstatat", "getxattr"}, "reads the host as it is"),
    "doctor/tree.c": ({"openat", "readlinkat"}, "walks as the kernel does, to judge each step"),
    "doctor/setuid.c": ({"openat", "fstatat"}, "one component beneath an open directory; reads"),
    "doctor/kernel.c": ({"openat", "mount", "mkdir"}, "in a mount namespace that is thrown away"),
}
# A program whose purpose such calls are: every attack is one.
PATH_EXEMPT_FOLDERS = {"prove"}

# call -> what its arguments must name. accept4, pipe2 and the like take the flag in one argument.
CLOEXEC = {
    "open": "O_CLOEXEC", "openat": "O_CLOEXEC", "pipe2": "O_CLOEXEC", "dup3": "O_CLOEXEC",
    "socket": "SOCK_CLOEXEC", "socketpair": "SOCK_CLOEXEC", "accept4": "SOCK_CLOEXEC",
    "epoll_create1": "EPOLL_CLOEXEC", "eventfd": "EFD_CLOEXEC", "timerfd_create": "TFD_CLOEXEC",
    "signalfd": "SFD_CLOEXEC", "memfd_create": "MFD_CLOEXEC", "inotify_init1": "IN_CLOEXEC",
    "fsopen": "FSOPEN_CLOEXEC", "fsmount": "FSMOUNT_CLOEXEC", "open_tree": "OPEN_TREE_CLOEXEC",
    "recvmsg": "MSG_CMSG_CLOEXEC", "mkostemp": "O_CLOEXEC",
}


# An absolute host path is compiled in (invariant 4): a literal or a macro. Exempt, with the reason:
PATH_ROOT_EXEMPT = {
    "super/spawn.c": "chosen by number from two compiled-in programs",
    "super/daemons.c": "the two daemons' compiled-in programs",
    "setup/idfile.c": "called with literals by its own folder only",
}

# (file, call): why the flag is missing on purpose.
CLOEXEC_EXEMPT = {
    ("prove/inside_kernel.c", "socket"): "a wrong flag tells a filter's refusal from the kernel's",
}


def lacks_cloexec(name, lines, line, call, arguments):
    """Whether neither the call nor, where flags come in a variable, its function names the flag."""
    if call not in CLOEXEC or (name, call) in CLOEXEC_EXEMPT:
        return False
    if re.search(r"\bflags\b", arguments):
        start = max((i for i in range(line) if lines[i] == "{"), default=0)
        arguments += " ".join(lines[start:line])
    return CLOEXEC[call] not in arguments


def banned_calls(path, text):
    name = name_of(path)
    exempt = PATH_EXEMPT.get(name, (set(), ""))[0]
    if name.split("/")[0] in PATH_EXEMPT_FOLDERS:
        exempt = BANNED_PATH
    found = []
    original = text.splitlines()
    code = code_only(text)
    for line, call, arguments in calls(code):
        if call in BANNED_ANYWHERE:
            found.append(f"{name}:{line}: {call}() is banned everywhere")
        if call in BANNED_PATH - exempt:
            # Nothing can be put between the root directory and itself.
            if not (call == "chdir" and 'chdir("/")' in original[line - 1]):
                found.append(f"{name}:{line}: {call}() takes a path: use linux/path.h")
        if lacks_cloexec(name, code.splitlines(), line, call, arguments):
            found.append(f"{name}:{line}: {call}() without {CLOEXEC[call]}")
        if call == "path_root" and path.suffix == ".c" and name not in PATH_ROOT_EXEMPT and \
                name.split("/")[0] not in PATH_EXEMPT_FOLDERS and name != "linux/path.c" and \
                not re.match(r'\s*("|[A-Z][A-Z_]+\b)', arguments):
            found.append(f"{name}:{line}: path_root() takes compiled-in paths only")
        if call == "fcntl" and re.search(r"\bF_DUPFD\b", arguments):
            found.append(f"{name}:{line}: F_DUPFD without _CLOEXEC")
    return found


# --- layers and includes ---------------------------------------------------------------------

def layers_of_build():
    """The table of src/meson.build: {folder: [what it may include]}"""
    text = (SRC / "meson.build").read_text()
    table = re.search(r"may_include = \{(.*?)\n\}", text, re.S).group(1)
    return {folder: re.findall(r"'([^']+)'", allowed)
            for folder, allowed in re.findall(r"'(\w+)': \[([^\]]*)\]", table)}


def layers_of_architecture():
    """The table of ARCHITECTURE.md: {folder: (may include, links)}"""
    table = {}
    for line in (TOP / "ARCHITECTURE.md").read_text().splitlines():
        row = re.match(r"\| `(\w+)/` \|[^|]*\|([^|]*)\|([^|]*)\|", line)
        if row:
            allowed = [word for word in re.split(r"[\s,]+", row.group(2).strip()) if word != "-"]
            table[row.group(1)] = (allowed, row.group(3).strip())
    return table


# header of a library -> folders or files that may include it
LIBRARY_HEADERS = {
    "jansson.h": ("wire/control.h", "wire/control.c", "daemon", "cli", "doctor", "image/json.h"),
    "libmnl/libmnl.h": ("net",),
    "archive.h": ("image",),
    "archive_entry.h": ("image",),
    "seccomp.h": (),
    "pthread.h": (),
    "wire/control.h": ("wire/control.c", "daemon", "cli"),
}


def bad_includes(path, text, layers):
    name = name_of(path)
    folder = name.split("/")[0]
    allowed = layers.get(folder, []) + [folder]
    found = []
    included = re.findall(r'^\s*#\s*include\s+(["<])([^">]+)[">]', text, re.M)
    for quote, header in included:
        if header in LIBRARY_HEADERS and \
                not {name, folder} & set(LIBRARY_HEADERS[header]):
            found.append(f"{name}: {header} is not for {folder}/")
        if quote == "<":
            continue
        if ".." in header or ("/" not in header and header != "croft-paths.h"):
            found.append(f'{name}: "{header}" must name its folder')
        elif header not in allowed and header.split("/")[0] not in allowed:
            found.append(f"{name}: {folder}/ may not include {header}")
    own = name[:-2] + ".h"
    # x_internal.h, which two files of a folder share, brings x.h with it.
    first = [('"', own)], [('"', own[:-2] + "_internal.h")]
    if name.endswith(".c") and (SRC / own).exists() and included[:1] not in first:
        found.append(f"{name}: its own header {own} must come first")
    return found


def bad_head(path, text):
    """SPDX first, then "name - one line"."""
    name = name_of(path)
    lines = text.splitlines() + ["", "", ""]
    found = []
    if "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
        found.append(f"{name}: the first line must be the licence's")
    stem = path.name.split(".")[0]
    if stem == "main":
        stem = {"cli": "croft", "daemon": "croftd"}.get(path.parent.name,
                                                        f"croft-{path.parent.name}")
    if not any(re.match(rf"(/\*|\*) {re.escape(stem)} - \S", line.strip()) for line in lines[1:4]):
        found.append(f'{name}: the head must say "{stem} - one line"')
    if path.suffix == ".h":
        guard = "CROFT_" + re.sub(r"\W", "_", name[:-2]).upper() + "_H"
        if f"#ifndef {guard}\n#define {guard}\n" not in text:
            found.append(f"{name}: the include guard must be {guard}")
    return found


def bad_words(path, text):
    """What no file may hold: an unfinished place without an issue."""
    return [f"{name_of(path)}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if re.search(r"\b(TODO(?! #\d)|FIXME|XXX|HACK|for now|not implemented)\b", line)]


# --- size ------------------------------------------------------------------------------------

def functions(text):
    """(name, first line, lines) of each function as clang-format lays it out."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line != "{":
            continue
        end = next((i for i in range(number, len(lines)) if lines[i] == "}"), len(lines) - 1)
        start = number - 1
        while start > 0 and lines[start][:1] in " \t":
            start -= 1
        found = re.search(r"(\w+)\(", lines[start])
        yield (found.group(1) if found else "?"), start + 1, end - start + 1


def too_long(path, text):
    name = name_of(path)
    count = len(text.splitlines())
    found = []
    if count > FILE_LINES_MAX:
        found.append(f"{name}: {count} lines; at most {FILE_LINES_MAX}")
    for function, line, length in functions(text):
        if length > FUNCTION_LINES_MAX:
            found.append(f"{name}:{line}: {function}() has {length} lines; "
                         f"at most {FUNCTION_LINES_MAX}")
    return found


# --- limits ----------------------------------------------------------------------------------

def limits_of_header(text):
    """{name: value as text} of each #define with a value."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = re.findall(r"^#define (\w+)[ \t]+(\S.*?)\s*$", text, re.M)
    return {name: re.sub(r"\s+", " ", value) for name, value in found}


def evaluate(expression, names):
    """A #define's expression as a number."""
    known = {}
    for name in re.findall(r"[A-Z][A-Z_]{2,}\w*", expression):
        if name in names:
            known[name] = evaluate(names[name], names)
    plain = re.sub(r"\b(0x[0-9a-f]+|\d+)(?:ULL|UL|U)\b", r"\1", expression.strip('"'))
    return eval(plain, {"__builtins__": {}}, known)  # pylint: disable=eval-used # our own header


def limits_of_page(text):
    """{name: number} of each row "| `NAME` | number ... |"."""
    return {name: int(value.replace(",", ""))
            for name, value in re.findall(r"^\| `(\w+)` \| ([\d,]+)", text, re.M)}


def limit_differences(header, page):
    names = limits_of_header(header)
    wanted = {name: evaluate(value, names) for name, value in names.items()
              if name not in ("KIB", "MIB", "GIB", "SYSTEM_USER", "BUILT_IN_IMAGE")}
    given = limits_of_page(page)
    found = [f"docs/limits.md lacks {name} = {value}"
             for name, value in wanted.items() if name not in given]
    found += [f"docs/limits.md has {name}, which wire/limits.h has not"
              for name in given if name not in wanted]
    found += [f"{name} is {wanted[name]} in wire/limits.h and {given[name]} in docs/limits.md"
              for name in given if name in wanted and given[name] != wanted[name]]
    return found


# --- capabilities ---------------------------------------------------------------------------

def capabilities_of_code(folder_text):
    """CAPS_BIT(CAP_X) anywhere in a folder -> {X}"""
    return set(re.findall(r"CAPS_BIT\([\s\\]*CAP_([A-Z_]+)", code_only(folder_text)))


def capabilities_of_readme(text, programs):
    """What wire/README names under @programs: {X}"""
    section = text.split("What each process holds", 1)[-1]
    found = set()
    for part in re.split(r"\n  (?=croft)", section):
        if part.split()[:1] and part.split()[0] in programs:
            found |= set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", part))
    return found & KNOWN_CAPABILITIES


KNOWN_CAPABILITIES = set("""
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
    SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
    SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
    WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
""".split())


# --- README of a program ---------------------------------------------------------------------

README_WORDS = ("runs as", "may open", "trusts", "is trusted by", "messages", "read")


def bad_readme(folder, text):
    if text is None:
        return [f"{folder}/ has a main.c and no README"]
    return [f"{folder}/README does not say: {word}" for word in README_WORDS
            if not re.search(rf"(^|\n)\W*{word}\b", re.sub(r"[ \t]+", " ", text.lower()))]


# --- what a program links --------------------------------------------------------------------

def run(*command, **more):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120, check=False, **more)
    return done.returncode, done.stdout


LIBC = {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
# program -> (libraries it may need beside libc, static)
PROGRAMS = {
    "croft-super": (set(), False),
    "croft-monitor": (set(), False),
    "croft-runtime": (set(), True),
    "croft-init": (set(), True),
    "croft-setup": (set(), False),
    "croft-image": (set(), True),
    "croft-net": ({"libmnl.so.0"}, False),
    "croftd": ({"libjansson.so.4"}, False),
    "croft": ({"libjansson.so.4"}, False),
    "croft-gate": (set(), False),
    "croft-prove": (set(), True),
    "croft-doctor": ({"libjansson.so.4"}, False),
}
# Linked into a static program they leave no NEEDED, but these names.
LIBRARY_SYMBOLS = {"archive_read_new": "libarchive", "json_loadb": "jansson",
                   "seccomp_init": "libseccomp", "curl_easy_init": "libcurl"}
STATIC_MAY_HOLD = {"croft-image": {"libarchive", "jansson"}}


def bad_links(program, path):
    libraries, static = PROGRAMS[program]
    _, dynamic = run("readelf", "-dW", path)
    _, segments = run("readelf", "-lW", path)
    _, symbols = run("nm", "--defined-only", path)
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic))
    found = [f"{program} links {name}" for name in sorted(needed - LIBC - libraries)]
    if static and (needed or "INTERP" in segments):
        found.append(f"{program} must be static")
    defined = set(re.findall(r" [TtWw] (\w+)$", symbols, re.M))
    for symbol, library in LIBRARY_SYMBOLS.items():
        if symbol in defined and library not in STATIC_MAY_HOLD.get(program, set()):
            found.append(f"{program} holds {library}")
    return found


def bad_hardening(program, path):
    """Position independent, GOT read-only from the start, no executable stack, no search path."""
    _, header = run("readelf", "-hW", path)
    _, dynamic = run("readelf", "-dW", path)
    _, segments = run("readelf", "-lW", path)
    found = []
    if not re.search(r"Type:\s+DYN", header):
        found.append(f"{program} is not position independent")
    if "GNU_RELRO" not in segments:
        found.append(f"{program} has no RELRO")
    if "BIND_NOW" not in dynamic and not re.search(r"FLAGS_1.*NOW", dynamic):
        found.append(f"{program} binds lazily")
    if re.search(r"GNU_STACK\s.*RWE", segments) or "GNU_STACK" not in segments:
        found.append(f"{program} has an executable stack")
    if re.search(r"LOAD\s.* RWE ", segments):
        found.append(f"{program} has a segment writable and executable")
    if re.search(r"\((RPATH|RUNPATH)\)", dynamic):
        found.append(f"{program} has a search path for libraries")
    return found


# --- headers alone, and the include trees ----------------------------------------------------

def compile_text(compiler, build, folder, text):
    """Whether @text compiles as a file of @folder, with exactly its include tree."""
    return run(compiler, "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
               "-fsyntax-only", "-I", build / "src" / "layers" / folder, "-x", "c", "-",
               input=text)


def header_alone(compiler, build, header):
    """Twice, so that a missing guard shows."""
    name = name_of(header)
    include = f'#include "{name}"\n'
    status, output = compile_text(compiler, build, name.split("/")[0],
                                  include + include + "extern int nothing_else;\n")
    return [] if status == 0 else [f"{name} does not compile alone ({compiler}): {output[:600]}"]


def bad_format(path):
    status, output = run(os.environ.get("CLANG_FORMAT", "clang-format-14"), "--dry-run", "-Werror",
                         "--style=file:" + str(TOP / ".clang-format"), path)
    return [] if status == 0 else output.splitlines()[:1]
