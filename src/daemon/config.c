/* SPDX-License-Identifier: Apache-2.0 */
/* config - croft.conf: KEY = VALUE lines, read by croftd alone */
#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "croft-paths.h"
#include "linux/path.h"

#define CONFIG_FILE     CROFT_CONF_DIR "/croft.conf"
#define CONFIG_SIZE_MAX (16U * 1024U)
#define LINE_MAX_LEN    256
#define BLANK           " \t"

static int parse_line(struct config *config, char *line, unsigned int *seen, const char **ret_what);
static int set_default_image(struct config *config, const char *value, const char **ret_what);

static const struct {
    const char *key;
    int (*set)(struct config *config, const char *value, const char **ret_what);
} keys[] = {
    {"default_image", set_default_image},
};

void config_init(struct config *config)
{
    *config = (struct config){.default_image = ""};
}

int config_parse(struct config *config, const char *file, const char *text, size_t size,
                 struct err *err)
{
    unsigned int seen = 0;
    unsigned int number = 1;
    for (size_t start = 0; start < size; number++) {
        const char *end = memchr(text + start, '\n', size - start);
        size_t len = end != NULL ? (size_t)(end - text) - start : size - start;
        const char *what = "the line is too long";
        char line[LINE_MAX_LEN];
        int rc = -EINVAL;
        if (memchr(text + start, '\0', len) != NULL) {
            what = "a 0 byte";
        } else if (len < sizeof(line)) {
            memcpy(line, text + start, len);
            line[len] = '\0';
            rc = parse_line(config, line, &seen, &what);
        }
        if (rc < 0)
            return err_set(err, OUTCOME_USAGE, "%s:%u: %s", file, number, what);
        start += len + 1;
    }
    return 0;
}

/* Cuts blanks off both ends. */
static char *trim(char *text)
{
    text += strspn(text, BLANK);
    size_t len = strlen(text);
    while (len > 0 && strchr(BLANK, text[len - 1]) != NULL)
        text[--len] = '\0';
    return text;
}

static int parse_line(struct config *config, char *line, unsigned int *seen, const char **ret_what)
{
    char *key = trim(line);
    if (key[0] == '\0' || key[0] == '#')
        return 0;
    char *equals = strchr(key, '=');
    if (equals == NULL) {
        *ret_what = "a line is KEY = VALUE, or a comment that starts with #";
        return -EINVAL;
    }
    *equals = '\0';
    key = trim(key);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].key, key) != 0)
            continue;
        if (*seen & (1U << i)) {
            *ret_what = "this key was set before";
            return -EINVAL;
        }
        *seen |= 1U << i;
        return keys[i].set(config, trim(equals + 1), ret_what);
    }
    *ret_what = "unknown key; there is: default_image";
    return -EINVAL;
}

static int set_default_image(struct config *config, const char *value, const char **ret_what)
{
    if (str_is_name(value))
        return str_copy(config->default_image, sizeof(config->default_image), value);
    *ret_what = "default_image must be the name of an image: a-z, 0-9 and -";
    return -EINVAL;
}

int config_read(struct config *config, struct err *err)
{
    static char text[CONFIG_SIZE_MAX + 1];
    auto_close fd = path_root(CONFIG_FILE, O_RDONLY | O_NONBLOCK);
    config_init(config);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, fd, "reading %s", CONFIG_FILE);
    ssize_t got = fd_read_full(fd, text, sizeof(text));
    if (got < 0)
        return err_errno(err, OUTCOME_HOST_CANNOT, (int)got, "reading %s", CONFIG_FILE);
    if ((size_t)got > CONFIG_SIZE_MAX)
        return err_set(err, OUTCOME_USAGE, "%s is longer than %u bytes", CONFIG_FILE,
                       CONFIG_SIZE_MAX);
    return config_parse(config, CONFIG_FILE, text, (size_t)got, err);
}
