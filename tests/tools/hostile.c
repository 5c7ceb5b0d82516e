/* SPDX-License-Identifier: Apache-2.0 */
/* hostile - stands in croftd's place: croft-super executes a program, and this is one that becomes
 * the script of tests/system/test_hostile_croftd.py, with croftd's uid and descriptors */
#include <unistd.h>

int main(void)
{
    execl("/usr/bin/python3", "python3", "-I", HOSTILE_SCRIPT, (char *)NULL);
    return 127;
}
