/* SPDX-License-Identifier: MIT */
/*
 * Double paging: a guest swaps, and so does the machine below it. Both throw out what came first,
 * so the guest's next victim is just what the machine has thrown out already, and is read back only
 * to be written out again. The same program then runs with as many frames, but by a balloon: the
 * guest knows that it has less, and only one of the two swaps.
 *
 * Both levels are played here by one kernel, with real frames: what the machine takes goes back to
 * the hypervisor (balloon_give), and comes again when a page fault says that it is missing.
 * Contents are checked at the end. Disks are arrays; counted is what would go to them.
 */
#include <pvguest/balloon.h>
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/mm.h>
#include <pvguest/sched.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/traps.h>

#define PAGES 48            /* of the program */
#define RAM   32            /* frames that the guest was promised */
#define HOST  24            /* frames that the machine has for it */
#define STEPS 2000
#define NONE  ~0u

static char *area;                              /* where the program sees its pages */
static char *ram[RAM];                          /* where the guest sees its frames */
static char guest_disk[PAGES][PAGE_SIZE], host_disk[RAM][PAGE_SIZE];

/* The guest: which page is in a frame, which frame has a page. */
static unsigned int frames, page_in[RAM], frame_of[PAGES], next_frame;
/* The machine: who has a frame, in the order in which they came. */
static bool there[RAM];
static unsigned int queue[RAM], first, count;
static bool writing_out;                        /* the guest, to its disk */
static struct { unsigned int guest_in, guest_out, host_in, host_out, for_nothing; } counts;

static void must(int error, const char *what)
{
    if (error)
        panic("paging: %s: %d\n", what, error);
}

static void show_page(unsigned int page, bool shown)
{
    must(map_page((unsigned long)area + page * PAGE_SIZE,
                  shown ? virt_to_mfn(ram[frame_of[page]]) : 0, shown ? PROT_RW : 0, DOMID_SELF),
         "a page of the program");
}

/* ---- the machine, below the guest ---- */

/* The frame that came first goes. What the program sees through it goes, too. */
static void host_out(void)
{
    unsigned int frame = queue[first];

    first = (first + 1) % RAM;
    count--;
    memcpy(host_disk[frame], ram[frame], PAGE_SIZE);
    if (page_in[frame] != NONE)
        show_page(page_in[frame], false);
    must(balloon_give(ram[frame]), "a frame is given");
    there[frame] = false;
    counts.host_out++;
}

static void host_in(unsigned int frame)
{
    if (count == HOST)
        host_out();
    must(balloon_take(ram[frame]), "a frame is taken");
    memcpy(ram[frame], host_disk[frame], PAGE_SIZE);
    there[frame] = true;
    queue[(first + count++) % RAM] = frame;
    counts.host_in++;
    if (writing_out)
        counts.for_nothing++;
}

/* ---- the guest ---- */

/* It touches its frames like any memory: where one is missing, the machine brings it. */
static void guest_out(unsigned int frame)
{
    unsigned int page = page_in[frame];

    show_page(page, false);
    writing_out = true;
    memcpy(guest_disk[page], ram[frame], PAGE_SIZE);
    writing_out = false;
    frame_of[page] = page_in[frame] = NONE;
    counts.guest_out++;
}

static void guest_in(unsigned int page)
{
    unsigned int frame = next_frame;

    next_frame = (next_frame + 1) % frames;
    if (page_in[frame] != NONE)
        guest_out(frame);
    memcpy(ram[frame], guest_disk[page], PAGE_SIZE);
    page_in[frame] = page;
    frame_of[page] = frame;
    counts.guest_in++;
}

static bool fault(struct trap_frame *trap)
{
    unsigned long address = fault_address();
    unsigned int page = (unsigned int)((address - (unsigned long)area) / PAGE_SIZE);

    if (address >= (unsigned long)area && page < PAGES) {
        if (frame_of[page] == NONE)
            guest_in(page);
        if (!there[frame_of[page]])
            host_in(frame_of[page]);
        show_page(page, true);
        return true;
    }
    for (unsigned int frame = 0; frame < RAM; frame++)
        if (address / PAGE_SIZE == (unsigned long)ram[frame] / PAGE_SIZE && !there[frame]) {
            host_in(frame);
            return true;
        }
    return false;
}

/* ---- the program ---- */

/* Three of four steps stay with sixteen pages, every fourth goes on through all of them. Each
 * counts in its page. Returns the pages whose count is right in the end. */
static unsigned int program(void)
{
    unsigned int wanted[PAGES] = { 0 }, right = 0;

    for (unsigned int step = 0; step < STEPS; step++) {
        unsigned int page = step % 4 ? step * 7 % 16 : step / 4 % PAGES;

        wanted[page]++;
        *(volatile unsigned int *)(area + page * PAGE_SIZE + 64) += 1;
    }
    for (unsigned int page = 0; page < PAGES; page++)
        right += *(volatile unsigned int *)(area + page * PAGE_SIZE + 64) == wanted[page];
    return right;
}

static void say(const char *how, const char *what, unsigned int number)
{
    printk("paging: %s %s %u\n", how, what, number);
}

/* With so many frames of its own; the rest of what was promised is in the balloon. */
static void run(const char *how, unsigned int guest_frames)
{
    unsigned int right;

    frames = guest_frames;
    next_frame = first = count = 0;
    memset(guest_disk, 0, sizeof(guest_disk));
    memset(page_in, 0xff, sizeof(page_in));
    memset(frame_of, 0xff, sizeof(frame_of));
    for (unsigned int frame = 0; frame < RAM; frame++) {
        there[frame] = frame < frames;
        if (there[frame])
            queue[count++] = frame;
        else
            must(balloon_give(ram[frame]), "the balloon");
    }
    while (count > HOST)
        host_out();
    memset(&counts, 0, sizeof(counts));
    right = program();
    say(how, "pages-right", right);
    say(how, "guest-in", counts.guest_in);
    say(how, "guest-out", counts.guest_out);
    say(how, "host-in", counts.host_in);
    say(how, "host-out", counts.host_out);
    say(how, "for-nothing", counts.for_nothing);
    for (unsigned int page = 0; page < PAGES; page++)
        if (frame_of[page] != NONE)
            show_page(page, false);
    for (unsigned int frame = 0; frame < RAM; frame++)
        if (!there[frame])
            must(balloon_take(ram[frame]), "a frame is taken back");
}

void guest_main(void)
{
    area = vspace_alloc(PAGES);
    if (IS_ERR(area))
        panic("paging: no addresses\n");
    for (unsigned int frame = 0; frame < RAM; frame++)
        if (!(ram[frame] = alloc_page()))
            panic("paging: no memory\n");
    set_trap_handler(TRAP_PF, fault);
    run("double", RAM);
    run("balloon", HOST);
    printk("paging: end\n");
    poweroff();
}
