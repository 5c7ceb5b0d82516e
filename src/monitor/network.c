/* SPDX-License-Identifier: Apache-2.0 */
/* network - the monitor's end of croft-net */
#include "monitor/network.h"

#include "monitor/monitor.h"

int network_order_host(struct request *request, struct user *user, struct err *err)
{
    (void)request;
    (void)user;
    return err_set(err, OUTCOME_HOST_CANNOT, "the network is not there yet");
}
