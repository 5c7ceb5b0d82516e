/* SPDX-License-Identifier: Apache-2.0 */
/* image - the form of what an image says about how it wants to be started */
#include "wire/image.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"

#define STOP_SIGNAL_MAX 64U

static bool user_ok(const char *user);

int image_config_check(const struct image_config *config, size_t size)
{
    struct image_config head;

    if (size < sizeof(head))
        return -EINVAL;
    memcpy(&head, config, sizeof(head));
    const char *strings = (const char *)config + sizeof(head);
    if (head.strings_len > IMAGE_CONFIG_STRINGS_MAX || size - sizeof(head) != head.strings_len)
        return -EINVAL;
    if (head.reserved != 0 || head.stop_signal > STOP_SIGNAL_MAX || !user_ok(head.user))
        return -EINVAL;
    /* Each count for itself first, so that their sum cannot wrap. */
    if (head.entry_count > head.strings_len || head.cmd_count > head.strings_len ||
        head.env_count > head.strings_len)
        return -EINVAL;
    uint32_t ends = 0;
    for (uint32_t i = 0; i < head.strings_len; i++)
        ends += strings[i] == '\0';
    if (head.strings_len == 0 || strings[head.strings_len - 1] != '\0')
        return -EINVAL;
    return ends == 1 + head.entry_count + head.cmd_count + head.env_count ? 0 : -EINVAL;
}

static bool user_ok(const char *user)
{
    if (!str_terminated(user, NAME_SIZE))
        return false;
    for (; *user != '\0'; user++)
        if ((unsigned char)*user <= 0x20 || (unsigned char)*user > 0x7e)
            return false;
    return true;
}
