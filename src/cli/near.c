/* SPDX-License-Identifier: Apache-2.0 */
/* near - how far two words are apart, for who mistyped one */
#include "cli/near.h"

#include <stdint.h>
#include <string.h>

#define WORD_MAX 24U

static size_t lesser(size_t one, size_t other)
{
    return one < other ? one : other;
}

size_t near_distance(const char *one, const char *other)
{
    /* cost[i][j]: from the first i letters of one to the first j of the other */
    size_t cost[WORD_MAX + 1][WORD_MAX + 1];
    size_t rows = strlen(one);
    size_t columns = strlen(other);

    if (rows > WORD_MAX || columns > WORD_MAX)
        return SIZE_MAX;
    for (size_t i = 0; i <= rows; i++)
        cost[i][0] = i;
    for (size_t j = 0; j <= columns; j++)
        cost[0][j] = j;
    for (size_t i = 1; i <= rows; i++) {
        for (size_t j = 1; j <= columns; j++) {
            size_t best = cost[i - 1][j - 1] + (one[i - 1] != other[j - 1]);

            best = lesser(best, lesser(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                best = lesser(best, cost[i - 2][j - 2] + 1);
            cost[i][j] = best;
        }
    }
    return cost[rows][columns];
}
