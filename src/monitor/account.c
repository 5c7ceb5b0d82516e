/* SPDX-License-Identifier: Apache-2.0 */
/* account - one uid at the door: its connections, its order in work, and those that wait */
#include "monitor/account.h"

#include "base/mem.h"
#include "monitor/door.h"

struct account *account_get(struct door *door, uid_t uid)
{
    struct account *account = door->accounts;
    while (account != NULL && account->uid != uid)
        account = account->next;
    if (account == NULL) {
        account = mem_new(1, sizeof(*account));
        *account = (struct account){.next = door->accounts, .uid = uid};
        door->accounts = account;
    }
    account->uses++;
    return account;
}

void account_put(struct door *door, struct account *account)
{
    struct account **place = &door->accounts;

    if (--account->uses > 0)
        return;
    while (*place != account)
        place = &(*place)->next;
    *place = account->next;
    mem_cleanup(&account);
}

void account_line_up(struct account *account, struct request *request)
{
    struct request **end = &account->line;
    while (*end != NULL)
        end = &(*end)->next;
    *end = request;
}

void account_line_leave(struct account *account, struct request *request)
{
    struct request **place = &account->line;
    while (*place != NULL && *place != request)
        place = &(*place)->next;
    if (*place == NULL)
        return;
    *place = request->next;
    request->next = NULL;
}
