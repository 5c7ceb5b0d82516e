/* SPDX-License-Identifier: Apache-2.0 */
/* rows - every row there is, in the order of the report */
#include "prove/row.h"

size_t rows_all(const struct row *ret_rows[ROWS_MAX])
{
    const struct {
        const struct row *rows;
        size_t count;
    } lists[] = {{rows_files, rows_files_count},         {rows_volume, rows_volume_count},
                 {rows_processes, rows_processes_count}, {rows_kernel, rows_kernel_count},
                 {rows_entry, rows_entry_count},         {rows_resources, rows_resources_count},
                 {rows_host, rows_host_count},           {rows_door, rows_door_count},
                 {rows_client, rows_client_count},       {rows_words, rows_words_count},
                 {rows_network, rows_network_count},     {rows_grants, rows_grants_count},
                 {rows_ends, rows_ends_count},           {rows_login, rows_login_count}};
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (size_t j = 0; j < lists[i].count && count < ROWS_MAX; j++)
            ret_rows[count++] = &lists[i].rows[j];
    return count;
}
