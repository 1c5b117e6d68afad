/* SPDX-License-Identifier: MIT */
/*
 * The public headers of Xen every guest needs, included the one right way. Include this (or any
 * <pvguest/...> header) rather than <xen/xen.h> by itself: __XEN_TOOLS__ has to be defined first,
 * it selects the newest interface version and the control plane's structures (the build also passes
 * it on the command line, so that the order cannot matter).
 */
#ifndef PVGUEST_XEN_H
#define PVGUEST_XEN_H

#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1
#endif

#include <pvguest/names.h>
#include <abi/types.h>
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/physdev.h>
#include <xen/callback.h>
#include <pvguest/errno.h>

#endif
