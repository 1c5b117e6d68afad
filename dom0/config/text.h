/* SPDX-License-Identifier: MIT */
/* A configuration as a text again, in the form that config.h reads: for a saved guest. Pure. */
#ifndef DOM0_CONFIG_TEXT_H
#define DOM0_CONFIG_TEXT_H

#include "dom0/config/config.h"

#define CONFIG_TEXT_BYTES 16384u        /* Of any configuration, with its NUL. */

/* Its size without the NUL. */
size_t config_write(const struct config *config, char text[CONFIG_TEXT_BYTES]);

#endif
