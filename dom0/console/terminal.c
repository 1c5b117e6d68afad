/* SPDX-License-Identifier: MIT */
/*
 * The terminal (terminal.h). All output of this image comes through terminal_write(), by the SDK's
 * console_output hook; so it knows when somebody speaks into the middle of the operator's line,
 * gives him a line of his own, and shows the operator's again at the next key. (At the next key,
 * not at once: a script that waits for the prompt shall not see one that does not belong to its
 * command.)
 */
#include "dom0/console/terminal.h"
#include <pvguest/console.h>
#include <pvguest/hypercalls.h>

#define CONTROL_U 21

static struct {
    bool active, echo;              /* The operator edits; what comes now is his own echo. */
    bool interrupted;
    const char *prompt;
    char *line;
    size_t length;
} editor;

static void raw_write(const char *bytes, size_t size)
{
    HYPERVISOR_console_io(CONSOLEIO_write, (unsigned)size, (char *)(uintptr_t)bytes);
}

void terminal_write(const char *bytes, size_t size)
{
    if (editor.active && !editor.echo && !editor.interrupted) {
        raw_write("\n", 1);
        editor.interrupted = true;
    }
    while (size) {
        /* One call holds the hypervisor's console lock throughout. */
        size_t chunk = MIN(size, (size_t)1024);

        raw_write(bytes, chunk);
        bytes += chunk;
        size -= chunk;
    }
}

void terminal_start(void)
{
    console_output = terminal_write;
}

static void echo(const char *bytes, size_t size)
{
    editor.echo = true;
    if (editor.interrupted && editor.length) {
        terminal_write(editor.prompt, strlen(editor.prompt));
        terminal_write(editor.line, editor.length);
    }
    editor.interrupted = false;
    terminal_write(bytes, size);
    editor.echo = false;
}

void terminal_read_line(const char *prompt, char *line, size_t size)
{
    editor.prompt = prompt;
    editor.line = line;
    editor.length = 0;
    editor.interrupted = false;
    editor.active = true;
    echo(prompt, strlen(prompt));
    for (;;) {
        int c = console_getchar();

        if (c == '\r' || c == '\n')
            break;
        if ((c == 8 || c == 127) && editor.length) {
            echo("\b \b", 3);
            editor.length--;
        } else if (c == CONTROL_U) {
            for (; editor.length; editor.length--)
                echo("\b \b", 3);
        } else if (c >= ' ' && c <= '~' && editor.length + 1 < size) {
            char byte = (char)c;

            echo(&byte, 1);
            line[editor.length++] = byte;
        }
    }
    line[editor.length] = '\0';
    echo("\n", 1);
    editor.active = false;
}
