# SPDX-License-Identifier: Apache-2.0
"""Commands for gdb that look into a stopped Skimmer.

Load with `source tools/gdb/skimmer.py`, or let `cargo xtask gdb` do it. The
commands read memory and registers only: nothing is written, nothing of the
guest is called, and the selected thread and frame are as before.

What a structure looks like is taken from the kernel's debug information. Only
what stands there nowhere is kept here, in the table of constants below; a test
of the host tool holds that table against the kernel's source. Whatever is not
laid out as expected is said so by name: no command guesses.
"""

import contextlib
import struct

import gdb

# What the debug information does not carry (kernel/arch/src/stack.rs and
# switch.S, kernel/core/src/hart.rs, kernel/sync/src/magazine.rs).
STACK_SIZE = 16 * 1024
CANARY = 0x5AFE_57AC_C0DE_CA11
DEAD = 256
UNSETTLED = 257
FIRST_SPACE = 258
SMALLEST = 16
SLOT_BITS = 20
HART_BITS = 12
SAVED_RA = 0
SAVED_S0 = 8
# And of channels (kernel/sync/src/segments.rs, kernel/core/src/channel/id.rs and
# abi/src/channel.rs), and of links (kernel/core/src/list.rs).
FIRST = 32
PLACE_BITS = 30
NONE = (1 << 32) - 1
NOWHERE = (1 << 16) - 1
FLAGS = {
    "FIXED_PRIORITY": 0x1,
    "UNBLOCK": 0x2,
    "THREAD_DEATH": 0x4,
    "DISCONNECT": 0x8,
    "SENDER_LEN": 0x20,
    "COID_DISCONNECT": 0x40,
    "REPLY_LEN": 0x80,
    "PULSE_POOL": 0x100,
    "PRIVATE": 0x1000,
    "INHERIT_RUNMASK": 0x4000,
    "UNBLOCK_TIMER": 0x8000,
}

WFI = 0x10500073
MACHINE_MODE = 3
SSIP_OR_MSIP = 0b1010
DEEPEST = 40
MAX_HARTS = 4096
MAX_ELEMENTS = 1 << 20
TRACE_DEFAULT = 100

HART = "skimmer_core::hart::Hart<skimmer_arch::cpu::Riscv>"


class Unexpected(gdb.GdbError):
    """Something is not laid out, or not there, as these commands expect."""


# What reading of what is damaged, or not there, ends in.
TROUBLE = (Unexpected, gdb.error, RuntimeError)


# --- Values of Rust types ---------------------------------------------------


def member(value, *path):
    """The member at that path, or a message that says where it ended."""
    for name in path:
        names = field_names(value)
        if name not in names:
            raise Unexpected(
                f"{value.type} has no member `{name}` (it has {', '.join(names)}): "
                "this script and the kernel differ"
            )
        value = value[name]
    return value


def field_names(value):
    """Names of a value's members; for an enum, of the variant that it is."""
    kinds = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
    if value.type.strip_typedefs().code not in kinds:
        raise Unexpected(f"{value.type} was expected to have members")
    return [f.name for f in value.type.fields() if f.name]


def peel(value):
    """What is inside of cells, atomics and wrappers of one member."""
    while value.type.code == gdb.TYPE_CODE_STRUCT:
        inside = [f for f in value.type.fields() if f.name and f.type.sizeof]
        if len(inside) != 1:
            raise Unexpected(f"{value.type} is no wrapper of one value")
        value = value[inside[0].name]
    return value


def number(value):
    """The number inside, as an unsigned one if it is a pointer."""
    value = peel(value)
    if value.type.code == gdb.TYPE_CODE_PTR:
        value = value.cast(gdb.lookup_type("usize"))
    try:
        return int(value)
    except gdb.error as error:
        raise Unexpected(f"a {value.type} is no number: {error}") from error


def variant(value):
    """The variant that an enum is, by name, and the value of that."""
    value.fetch_lazy()
    names = field_names(value)
    if len(names) != 1:
        raise Unexpected(f"cannot tell which variant of {value.type} it is: {names}")
    return names[0], value[names[0]]


def option(value):
    """What is inside an Option, or None."""
    if is_pointer_option(value.type):
        address = word(int(value.address))
        return address or None
    name, inside = variant(value)
    if name == "None":
        return None
    if name != "Some":
        raise Unexpected(f"{value.type} is no Option: it is `{name}`")
    return member(inside, "__0")


def is_pointer_option(kind):
    """Whether it is one word, of which 0 is None (a promise of the language)."""
    name = kind.name or ""
    inside = name.removeprefix("core::option::Option<")
    pointers = ("&", "core::ptr::non_null::NonNull<", "alloc::boxed::Box<")
    return inside != name and kind.sizeof == 8 and inside.startswith(pointers)


def optional(value):
    """The number inside an Option, or None."""
    inside = option(value)
    return None if inside is None else number(inside)


def at(address, kind):
    """The value of that type at that address."""
    if isinstance(kind, str):
        kind = lookup(kind)
    return gdb.Value(address).cast(kind.pointer()).dereference()


def lookup(name):
    """The type of that name."""
    try:
        return gdb.lookup_type(name)
    except gdb.error as error:
        raise Unexpected(f"no debug information for `{name}`: {error}") from error


def elements(address, count, kind):
    """`count` values one after the other."""
    if count > MAX_ELEMENTS:
        raise Unexpected(f"{count} elements of {kind} at {address:#x} cannot be")
    return [at(address + n * kind.sizeof, kind) for n in range(count)]


def vec(value):
    """The elements of a Vec."""
    return elements(*vec_parts(value))


def vec_parts(value):
    """Address, length and element type of a Vec."""
    if not (value.type.name or "").startswith("alloc::vec::Vec<"):
        raise Unexpected(f"{value.type} is no Vec")
    kind = value.type.template_argument(0)
    start = number(member(value, "buf", "inner", "ptr"))
    return start, number(member(value, "len")), kind


def fat(value):
    """The elements of a slice behind a reference or a box."""
    start = member(value, "data_ptr")
    return elements(number(start), number(member(value, "length")), start.type.target())


def boxed_array(value):
    """The elements of an array in a box."""
    array = value.type.target()
    low, high = array.range()
    return elements(number(value), high - low + 1, array.target())


def text(value):
    """A &str."""
    start, length = number(member(value, "data_ptr")), number(member(value, "length"))
    if length > 4096:
        raise Unexpected(f"a name of {length} bytes at {start:#x}")
    return memory(start, length).decode("utf-8", "replace")


def memory(address, length):
    """Bytes of the guest."""
    if length == 0:
        return b""
    try:
        return bytes(gdb.selected_inferior().read_memory(address, length))
    except gdb.MemoryError as error:
        raise Unexpected(f"cannot read {length} bytes at {address:#x}: {error}") from error


def word(address):
    """One word of the guest."""
    return struct.unpack("<Q", memory(address, 8))[0]


def offset_of(kind, name):
    """Where a member lies."""
    for field in kind.fields():
        if field.name == name:
            return field.bitpos // 8, field.type
    raise Unexpected(f"{kind} has no member `{name}`")


# --- Looking without disturbing ---------------------------------------------


@contextlib.contextmanager
def looking():
    """Selects a hart through which kernel memory can be read; puts the
    selection back afterwards. A hart that is in firmware reads past the page
    tables, so it is no good."""
    before = gdb.selected_thread()
    if before is None:
        raise Unexpected("no machine: attach to one first (`sk-attach SOCKET` of attach.py)")
    if before.is_running():
        raise Unexpected("the machine runs: stop it first")
    frame, language = gdb.selected_frame(), gdb.parameter("language")
    try:
        # Names are looked up as the selected language has them.
        gdb.execute("set language rust", to_string=True)
        select_reader(before)
        yield
    finally:
        before.switch()
        if frame.is_valid():
            frame.select()
        gdb.execute(f"set language {language}", to_string=True)


def select_reader(first):
    """Switches to a thread that sees the kernel's own memory."""
    others = [t for t in gdb.selected_inferior().threads() if t.num != first.num]
    for thread in [first] + others:
        thread.switch()
        try:
            if once_address("skimmer_arch::cpu::HARTS"):
                return
        except (Unexpected, gdb.MemoryError):
            continue
    raise Unexpected("the kernel has not published its harts yet, or all are in firmware")


def once_address(name):
    """Where the value of a `Once` lies; 0 if it is not set."""
    return number(static(name))


def static(name):
    """A static of the kernel."""
    try:
        return gdb.parse_and_eval(name)
    except gdb.error as error:
        raise Unexpected(f"no static `{name}`: {error}") from error


class Cpu:
    """Registers of a hart, as the debugger's stub shows them."""

    def __init__(self, thread):
        """Reads them; the selection changes."""
        thread.switch()
        self.thread = thread
        self.frame = gdb.newest_frame()
        self.pc = self.register("pc")
        self.sp = self.register("sp")
        self.tp = self.register("tp")
        self.hartid = self.register("mhartid")
        self.in_firmware = self.register("priv") == MACHINE_MODE
        pending = self.register("mip") or self.register("sip")
        self.doorbell = None if pending is None else bool(pending & SSIP_OR_MSIP)
        self.asleep = not self.in_firmware and self.stands_behind_wfi()

    def register(self, name):
        """A register as a number, or None if the stub has it not."""
        try:
            value = self.frame.read_register(name)
            return int(value.cast(gdb.lookup_type("u64")))
        except (ValueError, gdb.error):
            return None

    def stands_behind_wfi(self):
        """Whether the hart sleeps."""
        try:
            return struct.unpack("<I", memory(self.pc - 4, 4))[0] == WFI
        except Unexpected:
            return False

    def place(self):
        """What the hart does, in a few words."""
        if self.in_firmware:
            return f"in firmware at {self.pc:#x}"
        return ("asleep in " if self.asleep else "") + describe(self.pc)


def cpus():
    """Every hart of the machine, by id; by `tp` where the stub tells no id."""
    selected = gdb.selected_thread()
    try:
        return [Cpu(thread) for thread in gdb.selected_inferior().threads()]
    finally:
        selected.switch()


def places(pc):
    """Functions at an address, the innermost first (calls may be inlined)."""
    names, block = [], None
    with contextlib.suppress(RuntimeError):
        block = gdb.block_for_pc(pc)
    while block is not None and not block.is_global:
        if block.function is not None:
            names.append(block.function.print_name)
        block = block.superblock
    if names:
        return names
    symbol = gdb.execute(f"info symbol {pc:#x}", to_string=True).strip()
    return ["?" if symbol.startswith("No symbol") else symbol.split(" in section")[0]]


def describe(pc):
    """Function, file and line of an address, with what it is inlined in."""
    names = places(pc)
    line = gdb.find_pc_line(pc)
    where = f" at {line.symtab.filename}:{line.line}" if line.symtab else ""
    outer = f" (inlined in {names[-1]})" if len(names) > 1 else ""
    return f"{names[0]}{where}{outer}"


# --- The kernel's objects ---------------------------------------------------


class Thread:
    """A thread, as its home hart's table has it."""

    def __init__(self, hart, slot, generation, value):
        """Reads what every command needs."""
        self.hart, self.slot, self.generation = hart, slot, generation
        self.value = value
        self.name = text(member(value, "name"))
        self.priority = number(member(value, "priority"))
        self.state, self.why = thread_state(member(value, "state"))
        link = member(value, "link")
        self.before = somebody(number(member(link, "before")))
        self.behind = somebody(number(member(link, "behind")))
        queue = number(member(link, "queue"))
        self.queue = None if queue == NOWHERE else queue
        self.header = number(member(value, "context", "header"))

    def __str__(self):
        """As the kernel writes it."""
        return f"{self.hart.index}.{self.slot}#{self.generation}"

    def word(self):
        """Its name in one word, as records carry it."""
        return self.generation << 32 | self.hart.index << SLOT_BITS | self.slot

    def state_text(self):
        """State, and what a blocked thread waits for."""
        return f"{self.state}: {self.why}" if self.why else self.state

    def base(self):
        """How urgent it is on its own account."""
        return number(member(self.value, "base"))

    def serves(self):
        """The channel that it received from last, by name."""
        channel = option(member(self.value, "serves"))
        return None if channel is None else channel_word(channel)

    def wait(self):
        """Its wait at a channel, as its hart knows it: the table of channels,
        the channel's name, which of its waits."""
        waiting = option(member(self.value, "waiting"))
        if waiting is None:
            return None
        wait = member(waiting, "wait")
        if thread_word(member(wait, "thread")) != self.word():
            raise Unexpected(f"{self} {self.name} has the wait of another thread")
        table_, count = number(member(waiting, "table")), number(member(wait, "number"))
        return table_, channel_word(member(wait, "channel")), count

    def owner(self):
        """Where the process is that it belongs to; None of the kernel's own."""
        header = at(self.header, "skimmer_arch::stack::Header")
        program = option(member(header, "program"))
        if program is None:
            return None
        owner = member(program, "owner")
        return number(member(owner, "pointer"))

    def canary_ok(self):
        """Whether nothing ran off its stack."""
        header = at(self.header, "skimmer_arch::stack::Header")
        words = peel(member(header, "canary"))
        low, high = words.type.range()
        return all(int(words[n]) == CANARY for n in range(low, high + 1))

    def stack_pointer(self):
        """Where its stack ends now; None where that cannot be told."""
        if self.is_current():
            cpu = self.hart.cpu
            inside = cpu and self.header <= cpu.sp <= self.header + STACK_SIZE
            return cpu.sp if inside else None
        header = at(self.header, "skimmer_arch::stack::Header")
        return number(member(header, "stack_pointer"))

    def is_current(self):
        """Whether its hart runs it."""
        return self.hart.current == (self.slot, self.generation)

    def stack_text(self):
        """How much of its stack is in use."""
        sp = self.stack_pointer()
        if sp is None:
            return "?"
        used = self.header + STACK_SIZE - sp
        return f"{used}" if 0 <= used <= STACK_SIZE else f"OUTSIDE ({sp:#x})"


def thread_state(value):
    """State by name, and why if it is blocked."""
    name, inside = variant(value)
    if name != "Blocked":
        return name, ""
    why, inside = variant(member(inside, "__0"))
    if "__0" in field_names(inside):
        return name, f"{why}({number(inside['__0'])})"
    return name, why


class Hart:
    """One hart: what everybody sees of it, and its own state."""

    def __init__(self, local, known):
        """Reads the parts that every command needs."""
        self.local = local
        self.index = number(member(local, "index"))
        self.hartid = number(member(local, "hartid"))
        cell = option(member(local, "state"))
        if cell is None:
            raise Unexpected(f"hart {self.index} has no state")
        self.is_open = bool(number(member(cell, "open")))
        self.value = peel_to(member(cell, "value"), HART)
        current = thread_word(member(self.value, "current"))
        self.current = (current & (1 << SLOT_BITS) - 1, current >> SLOT_BITS + HART_BITS)
        self.inspect = member(self.value, "inspect").dereference()
        self.cpu = find_cpu(known, self)
        self._threads = None

    def threads(self):
        """Its threads, by slot."""
        if self._threads is None:
            self._threads = dict(read_threads(self))
        return self._threads

    def current_thread(self):
        """The thread that runs; None if its name is stale."""
        thread = self.threads().get(self.current[0])
        return thread if thread and thread.generation == self.current[1] else None

    def counter(self, name):
        """One of its public counters."""
        return number(member(self.inspect, name))

    def is_changing(self):
        """Whether it was stopped where it may be changing its state."""
        return self.is_open and not (self.cpu and self.cpu.asleep)

    def mailboxes(self):
        """The mailboxes of all harts."""
        return fat(member(self.value, "lines", "mailboxes"))


def peel_to(value, name):
    """Peels wrappers off until the type of that name."""
    while value.type.name != name:
        names = field_names(value)
        if len(names) != 1:
            raise Unexpected(f"{value.type} was expected to wrap {name}")
        value = value[names[0]]
    return value


def find_cpu(known, hart):
    """The registers that belong to a hart."""
    start = int(hart.local.address)
    for cpu in known:
        if cpu.hartid == hart.hartid or (cpu.hartid is None and cpu.tp == start):
            return cpu
    return None


def read_harts():
    """Every hart, in the order of its index."""
    address = once_address("skimmer_arch::cpu::HARTS")
    kind = lookup("alloc::vec::Vec<skimmer_arch::cpu::HartLocal, alloc::alloc::Global>")
    locals_ = vec(at(address, kind))
    if not 0 < len(locals_) <= MAX_HARTS:
        raise Unexpected(f"{len(locals_)} harts cannot be")
    known = cpus()
    return [Hart(local, known) for local in locals_]


def read_threads(hart):
    """The occupied slots of a hart's table, with their threads."""
    index = 0
    for segment in vec(member(hart.value, "threads", "segments")):
        slots = boxed_array(segment)
        for slot in slots:
            thread = option(member(slot, "object"))
            if thread is not None:
                generation = number(member(slot, "generation"))
                yield index, Thread(hart, index, generation, thread)
            index += 1


def name_of_word(harts, value):
    """The thread that a word names, for people."""
    slot = value & ((1 << SLOT_BITS) - 1)
    home = value >> SLOT_BITS & ((1 << HART_BITS) - 1)
    name = f"{home}.{slot}#{value >> (SLOT_BITS + HART_BITS)}"
    thread = harts[home].threads().get(slot) if home < len(harts) else None
    if thread is not None and thread.word() == value:
        return f"{name} {thread.name}"
    return f"{name} (gone)"


# --- Queues of threads ------------------------------------------------------


class Lists:
    """Lists of threads in memory, read at once."""

    def __init__(self, address, count, kind):
        """`count` lists one after the other."""
        # By name: the type of a value knows only the variants that it has.
        kind = lookup(kind.name)
        self.size, self.count = kind.sizeof, count
        self.data = memory(address, count * self.size)
        self.number_at, _ = offset_of(kind, "number")
        self.first_at, _ = offset_of(kind, "first")
        self.last_at, _ = offset_of(kind, "last")

    def __iter__(self):
        """Number, first and last of each."""
        for place in range(0, self.count * self.size, self.size):
            (own,) = struct.unpack_from("<H", self.data, place + self.number_at)
            (first,) = struct.unpack_from("<I", self.data, place + self.first_at)
            (last,) = struct.unpack_from("<I", self.data, place + self.last_at)
            yield own, somebody(first), somebody(last)


def somebody(slot):
    """A slot in a link or a list; None where it names nobody."""
    return None if slot == NONE else slot


def run_lists(hart):
    """The lists of a hart's run queue."""
    levels = member(hart.value, "runq", "levels")
    array = levels.type.target()
    low, high = array.range()
    return Lists(number(levels), high - low + 1, array.target())


def other_lists(hart):
    """The lists of the dead, of those whose wait at a channel is to be looked at,
    and of those that wait for space."""
    for name in ("dead", "unsettled"):
        one = member(hart.value, name)
        yield from Lists(int(one.address), 1, one.type)
    yield from Lists(*vec_parts(member(hart.value, "space_waiters")))


def walk(hart, expected, entry, problems):
    """The slots of one list, in order. What is wrong goes to `problems`."""
    own, first, last = entry
    if own != expected:
        problems.append(f"queue {expected} says that it is queue {own}")
    seen, before, slot = [], None, first
    while slot is not None:
        if slot in seen:
            chain = seen[seen.index(slot):] + [slot]
            around = " -> ".join(map(str, chain))
            problems.append(f"queue {expected} is CYCLIC: slots {around}")
            return seen
        thread = hart.threads().get(slot)
        if thread is None:
            problems.append(f"queue {expected} leads to slot {slot}, where no thread is")
            return seen
        seen.append(slot)
        check_link(thread, expected, before, problems)
        before, slot = slot, thread.behind
    if last != before:
        problems.append(f"queue {expected} ends with {before}, but says {last}")
    return seen


def check_link(thread, queue, before, problems):
    """Whether a thread's link agrees with where it was found."""
    who = f"{thread} {thread.name}"
    if thread.queue != queue:
        problems.append(f"{who} stands in queue {queue}, but its link says {thread.queue}")
    if thread.before != before:
        problems.append(f"{who}: behind {before}, but its link says {thread.before}")
    if queue < DEAD:
        if thread.state != "Ready":
            problems.append(f"{who} is queued, but {thread.state_text()}")
        if thread.priority != queue:
            problems.append(f"{who} of priority {thread.priority} is queued at {queue}")
    elif queue == DEAD and thread.state != "Dead":
        problems.append(f"{who} is among the dead, but {thread.state_text()}")
    elif queue == UNSETTLED and thread.why != "Channel":
        problems.append(f"{who} is to leave a channel, but {thread.state_text()}")


def check_queues(hart):
    """The run queue by level, and everything that is wrong with any queue."""
    problems, levels, found = [], {}, set()
    words = member(hart.value, "runq", "ready")
    low, high = words.type.range()
    bits = sum(int(words[n]) << 64 * (n - low) for n in range(low, high + 1))
    for level, entry in enumerate(run_lists(hart)):
        slots = walk(hart, level, entry, problems)
        if slots:
            levels[level] = slots
        if bool(bits >> level & 1) != (entry[1] is not None):
            state = "ready" if bits >> level & 1 else "not ready"
            problems.append(f"the bitmap says that level {level} is {state}")
        found.update(slots)
    for number_, entry in enumerate(other_lists(hart), DEAD):
        found.update(walk(hart, number_, entry, problems))
    check_threads(hart, found, problems)
    return levels, problems


def check_threads(hart, found, problems):
    """Whether every thread stands where its state says."""
    for slot, thread in hart.threads().items():
        who = f"{thread} {thread.name}"
        if slot not in found:
            if thread.state == "Ready":
                problems.append(f"{who} is Ready, but in no queue")
            if thread.queue is not None:
                problems.append(f"{who} says queue {thread.queue}, where it is not found")
        if thread.state == "Running" and not thread.is_current():
            problems.append(f"{who} is Running, but not its hart's current thread")
    current = hart.current_thread()
    if current is None:
        problems.append(f"the current thread, slot {hart.current[0]}, does not exist")
    elif current.state != "Running":
        problems.append(f"{current} {current.name} is current, but {current.state_text()}")


# --- Channels, and who waits at them ----------------------------------------

# In the order of `Which`, which is compared.
QUEUES = ("Send", "Receive", "Reply", "Copying")
BY_PRIORITY = ("Send", "Receive")
ROOMS = "skimmer::process::rooms::ROOMS"
ROOM_TABLE = (
    "skimmer_sync::segments::Segments<"
    "skimmer_sync::static_ref::StaticRef<skimmer::process::Process>>"
)


class Segments:
    """A table that grows by segments, each twice as long as the one before."""

    def __init__(self, value):
        """Reads where the segments are."""
        if not (value.type.name or "").startswith("skimmer_sync::segments::Segments<"):
            raise Unexpected(f"{value.type} is no table of segments")
        self.kind = value.type.template_argument(0)
        directory = member(value, "directory")
        count = directory.type.sizeof // 8
        self.starts = struct.unpack(f"<{count}Q", memory(int(directory.address), count * 8))

    def at(self, index):
        """The element of that index, or None where there is no memory for it."""
        first, size = 0, FIRST
        for start in self.starts:
            if index < first + size:
                place = start + (index - first) * self.kind.sizeof
                return at(place, self.kind) if start else None
            first, size = first + size, size * 2
        return None

    def index_of(self, address):
        """The index of the element that is there, or None."""
        first, size = 0, FIRST
        for start in self.starts:
            place, rest = divmod(address - start, self.kind.sizeof)
            if start and 0 <= place < size and rest == 0:
                return first + place
            first, size = first + size, size * 2
        return None


class Process:
    """A process, or the room for one."""

    def __init__(self, value):
        """Reads what names it."""
        self.value = value
        self.number = number(member(value, "number"))
        self.pid = number(member(value, "pid"))
        self.table = member(value, "channels")
        self.place, self.address = int(value.address), int(self.table.address)

    def __str__(self):
        """As people know it."""
        return f"pid {self.pid:#x} {guarded(self.name) or '?'}"

    def name(self):
        """The program that it runs."""
        image = peel_to(member(self.value, "image", "value"), "skimmer::process::Image")
        return text(member(image, "name"))

    def channels(self):
        """Its channels, those that are closing included, by their slots."""
        room = peel_to(member(self.table, "room", "value"), "skimmer_core::channel::stock::Room")
        count = number(member(room, "slots"))
        if count > MAX_ELEMENTS:
            raise Unexpected(f"{self} says that it has {count} slots for channels")
        slots = Segments(member(self.table, "slots", "__0"))
        for index in range(count):
            line = slots.at(index)
            if line is None:
                raise Unexpected(f"{self} has no memory for channel {index} of {count}")
            lock = member(line, "__0")
            slot = peel_to(member(lock, "value"), "skimmer_core::channel::slot::Slot")
            state, _ = variant(member(slot, "state"))
            if state in ("Live", "Closing"):
                yield Channel(self, index, lock, slot, state)


class Channel:
    """A channel, as its slot has it."""

    def __init__(self, process, index, lock, slot, state):
        """Reads all but who waits there."""
        self.process, self.slot, self.state = process, slot, state
        # What records know their lock by.
        self.address = int(member(lock, "holders").address)
        self.is_locked = bool(number(member(lock, "holders")))
        generation = number(member(slot, "generation"))
        self.index, self.chid = index, generation << 32 | index
        self.flags = number(member(slot, "flags"))
        server = option(member(slot, "server"))
        self.server = None
        if server is not None:
            self.server = (thread_word(server["__0"]), number(server["__1"]))
        queues = member(slot, "queues", "__0")
        # Addresses of records.
        self.firsts = [option(member(queues[n], "first")) for n in range(len(QUEUES))]

    def __str__(self):
        """As people know it."""
        return f"channel {self.chid:#x} of {self.process}"

    def flags_text(self):
        """Its flags by name."""
        names = [name for name, bit in FLAGS.items() if self.flags & bit]
        rest = self.flags & ~sum(FLAGS.values())
        return " ".join(names + ([f"{rest:#x}"] if rest else [])) or "no flags"


class Waiter:
    """A thread's record, by which it stands in a queue of a channel."""

    def __init__(self, node, record, node_of):
        """Reads it. `node_of` says which thread's record lies at an address."""
        cell = member(record, "waiter")
        self.node, self.lock = node, number(member(cell, "owner"))
        value = peel_to(member(cell, "value"), "skimmer_core::channel::waiter::Waiter")
        self.number = number(member(value, "number"))
        self.channel = number(member(record, "channel"))
        which = number(member(value, "queue"))
        self.queue = QUEUES[which] if which < len(QUEUES) else f"queue {which}"
        self.received = number(member(value, "received"))
        link = member(value, "link")
        self.level = number(member(link, "level"))
        self.leads = bool(number(member(link, "leads")))
        names = ("before", "behind", "higher", "lower")
        self.before, self.behind, self.higher, self.lower = (
            node_of(option(member(link, name))) for name in names
        )
        self.thread = thread_word(member(value, "thread"))
        names = ("priority", "owner", "tid", "coid", "timeouts")
        self.priority, self.owner, self.tid, self.coid, self.timeouts = (
            number(member(value, name)) for name in names
        )
        self.out, self.into = (number(member(value, n, "length")) for n in ("out", "into"))

    def message(self):
        """What the server calls its message."""
        numbers = (1 << 63 - PLACE_BITS) - 1
        return (self.number & numbers) << PLACE_BITS | self.node


class Programs:
    """All processes and all that waits at their channels, read when asked for."""

    def __init__(self, harts):
        """Finds the tables; there are none before there are programs."""
        self.harts = harts
        names = enum_names("skimmer_core::channel::waiter::Which")
        if tuple(names[n] for n in sorted(names)) != QUEUES:
            raise Unexpected(f"a channel's queues are {names}: this script and the kernel differ")
        self.processes = {process.number: process for process in read_processes()}
        self.waiters, self.problems = [], []
        address = once_address("skimmer::process::channels::WAITERS")
        if address:
            waiters = at(address, "skimmer_core::channel::waiter::Waiters")
            self.waiters = [Segments(table) for table in fat(member(waiters, "harts"))]
        self._channels = self._servers = None

    def servers(self):
        """The threads that serve each channel, by process and channel."""
        if self._servers is None:
            self._servers = {}
            threads = (thread for hart in self.harts for thread in hart.threads().values())
            for thread in threads:
                try:
                    key = (thread.owner(), thread.serves())
                except TROUBLE as error:
                    self.find(f"{thread} {thread.name}: what it serves cannot be read: {error}")
                    continue
                if key[1] is not None:
                    self._servers.setdefault(key, []).append(thread)
        return self._servers

    def channels(self):
        """Every channel, with its queues."""
        if self._channels is None:
            self._channels = []
            for process in self.processes.values():
                try:
                    for channel in process.channels():
                        self._channels.append((channel, read_queues(self, channel)))
                except TROUBLE as error:
                    self.find(f"{process}: its channels cannot be read: {error}")
            check_waits(self)
        return self._channels

    def find(self, problem, channel=None, word=None):
        """Something is wrong, with that channel or that thread."""
        amid = " (stopped amid a section: it may be changing this)"
        self.problems.append(problem + (amid if self.is_changing(channel, word) else ""))

    def waiter(self, node):
        """The record of the thread of that home and slot, if there is one."""
        home, slot = node >> SLOT_BITS, node & ((1 << SLOT_BITS) - 1)
        record = self.waiters[home].at(slot) if home < len(self.waiters) else None
        return None if record is None else Waiter(node, record, self.node_of)

    def node_of(self, address):
        """Home and slot of the thread whose record is there; NONE where none is named."""
        if not address:
            return NONE
        for home, records in enumerate(self.waiters):
            slot = records.index_of(address)
            if slot is not None:
                return home << SLOT_BITS | slot
        raise Unexpected(f"a link leads to {address:#x}, where no record is")

    def process_of(self, owner):
        """The process of that room, in words."""
        process = self.processes.get(owner)
        return f"room {owner}" if process is None else str(process)

    def process_at(self, address):
        """The process that is there."""
        for process in self.processes.values():
            if process.place == address:
                return process
        return None

    def at_table(self, address):
        """The process whose table of channels is there."""
        for process in self.processes.values():
            if process.address == address:
                return process
        return None

    def is_changing(self, channel, word):
        """Whether the channel, or the hart of that thread, was stopped amid a change."""
        home = None if word is None else word >> SLOT_BITS & ((1 << HART_BITS) - 1)
        amid = home is not None and home < len(self.harts) and self.harts[home].is_changing()
        return amid or (channel is not None and channel.is_locked)


def read_processes():
    """Every room of a process that was ever used."""
    address = once_address(ROOMS)
    if not address:
        return
    rooms = Segments(at(address, ROOM_TABLE))
    count = number(static("skimmer::process::rooms::NUMBERS"))
    kind = lookup("skimmer::process::Process")
    if count > MAX_ELEMENTS:
        raise Unexpected(f"{count} processes cannot be")
    for n in range(count):
        room = rooms.at(n)
        place = 0 if room is None else number(room)
        if place:
            yield Process(at(place, kind))


def channel_word(value):
    """A ChannelId as programs know it."""
    return number(member(value, "generation")) << 32 | number(member(value, "index"))


def thread_word(value):
    """A ThreadId in one word, as records carry it."""
    return number(value)


def read_queues(programs, channel):
    """Who waits in each queue, in order. What is wrong there is told."""
    queues, seen = {}, set()

    def find(problem, word=None):
        programs.find(f"{channel}: {problem}", channel, word)

    for which, first in zip(QUEUES, channel.firsts):
        queues[which] = []
        try:
            lead = programs.node_of(first)
            queues[which] += walk_levels(programs, channel, which, lead, seen, find)
            for waiter in queues[which]:
                check_waiter(programs, channel, waiter, find)
        except TROUBLE as error:
            find(f"its {which} queue cannot be read: {error}")
    if queues["Send"] and queues["Receive"]:
        find("somebody receives while clients have sent")
    return queues


def walk_levels(programs, channel, which, first, seen, find):
    """Those in one queue: rings of equals, the most urgent first."""
    lead, higher, level = first, NONE, 256
    where = f"its {which} queue"
    while lead != NONE:
        ring = walk_ring(programs, channel, lead, seen, where, find)
        if not ring:
            return
        head = ring[0]
        if head.higher != higher:
            find(f"{where}: {node_name(lead)} has the wrong higher level")
        if head.level >= level:
            find(f"{where}: level {head.level} is behind level {level}")
        for waiter in ring:
            if waiter.queue != which:
                who = name_of_word(programs.harts, waiter.thread)
                find(f"{where} holds {who}, which says {waiter.queue}", waiter.thread)
            if waiter.level != head.level or waiter.leads != (waiter is head):
                find(f"{where}: {node_name(waiter.node)} is no equal there")
        yield from ring
        higher, lead, level = lead, head.lower, head.level


def walk_ring(programs, channel, lead, seen, where, find):
    """One ring of equals, beginning with its lead."""
    ring, node, before = [], lead, None
    while not ring or node != lead:
        waiter = programs.waiter(node)
        if waiter is None:
            find(f"{where} leads to {node_name(node)}, where no record is")
            return ring
        if node in seen:
            find(f"{where} is CYCLIC: it leads to {node_name(node)} again")
            return ring
        if waiter.lock != channel.address:
            who = "another channel's" if waiter.lock else "nobody's"
            find(f"{where} leads to {node_name(node)}, which is {who}")
            return ring
        if before is not None and waiter.before != before:
            find(f"{where}: {node_name(node)} does not lead back")
        seen.add(node)
        ring.append(waiter)
        node, before = waiter.behind, node
    if ring[0].before != before:
        find(f"{where}: {node_name(lead)} does not lead back")
    return ring


def node_name(node):
    """Home and slot of a thread, as queues of channels name it."""
    return f"{node >> SLOT_BITS}.{node & ((1 << SLOT_BITS) - 1)}"


def check_waiter(programs, channel, waiter, find):
    """Whether a waiter's record, its channel and its thread agree."""
    word_ = waiter.thread
    who = f"{name_of_word(programs.harts, word_)} in its {waiter.queue} queue"
    if word_ & 0xFFFF_FFFF != waiter.node:
        find(f"{who} stands there as {node_name(waiter.node)}")
        return
    if waiter.channel != channel.chid:
        find(f"{who} says channel {waiter.channel:#x}")
    due = waiter.priority if waiter.queue in BY_PRIORITY else 0
    if waiter.level != due:
        find(f"{who} of priority {waiter.priority} stands at {waiter.level}")
    if waiter.received > waiter.out:
        find(f"{who} has sent {waiter.out} bytes, of which {waiter.received} were received")
    thread = thread_of(programs.harts, word_)
    if thread is None:
        find(f"{who} does not exist", word_)
    elif thread.why != "Channel":
        find(f"{who} is {thread.state_text()}", word_)
    else:
        wait = thread.wait()
        if wait is None or wait[1:] != (channel.chid, waiter.number):
            find(f"{who}: its hart knows of another wait", word_)


def check_waits(programs):
    """Whether every thread that waits at a channel stands in a queue there. One
    whose wait is over may not have heard of it yet."""
    queues = [queues for _, queues in programs.channels()]
    found = {waiter.node for each in queues for which in QUEUES for waiter in each[which]}
    blocked = (t for hart in programs.harts for t in hart.threads().values() if t.why == "Channel")
    for thread in blocked:
        who, node = f"{thread} {thread.name}", thread.word() & 0xFFFF_FFFF
        try:
            wait, waiter = thread.wait(), programs.waiter(node)
        except TROUBLE as error:
            programs.find(f"{who}: its wait cannot be read: {error}")
            continue
        if wait is None or waiter is None:
            programs.find(f"{who} waits at a channel, and {wait_text(programs, thread)}")
        elif waiter.lock and waiter.number == wait[2] and node not in found:
            programs.find(f"{who}: waits {wait_text(programs, thread)}, but is not found there")


def thread_of(harts, word):
    """The thread of that name, if it is there."""
    home = word >> SLOT_BITS & ((1 << HART_BITS) - 1)
    thread = harts[home].threads().get(word & ((1 << SLOT_BITS) - 1)) if home < len(harts) else None
    return thread if thread is not None and thread.word() == word else None


def wait_text(programs, thread):
    """What a thread waits for at a channel."""
    if thread.why != "Channel":
        return "-"
    wait = thread.wait()
    if wait is None:
        return "NOTHING that its hart knows of"
    table_, chid, count = wait
    process = programs.at_table(table_)
    owner = "no process" if process is None else str(process)
    waiter = programs.waiter(thread.word() & 0xFFFF_FFFF)
    if waiter is None:
        return f"{chid:#x} of {owner}, and has NO RECORD"
    if not waiter.lock or waiter.number != count:
        return f"nothing more: its wait at {chid:#x} of {owner} is over"
    return f"{waiter.queue} at {chid:#x} of {owner}"


def channel_problems(programs):
    """Everything that is wrong at channels, in lines."""
    complaint = guarded(programs.channels)
    return programs.problems + ([complaint] if isinstance(complaint, str) else [])


def channels_text(programs):
    """How many channels there are, and who is blocked there."""
    channels = programs.channels()
    counts = [sum(len(queues[which]) for _, queues in channels) for which in QUEUES]
    closing = sum(channel.state == "Closing" for channel, _ in channels)
    blocked = ", ".join(f"{count} {which.lower()}" for which, count in zip(QUEUES, counts))
    going = f", {closing} closing" if closing else ""
    return f"channels: {len(channels)}{going}; blocked: {blocked}"


# --- Rings and mailboxes ----------------------------------------------------


def ring_fills(hart, side):
    """For each other hart: how many operations are in the ring, and of how
    many, and whether its producer waits."""
    for index, end in enumerate(vec(member(hart.value, "lines", side))):
        inside = option(end)
        if inside is None:
            continue
        ring = member(inside, "ring").dereference()
        tail, head = number(member(ring, "tail")), number(member(ring, "head"))
        low, high = member(ring, "slots").type.range()
        starved = bool(number(member(ring, "starved")))
        yield index, (tail - head) & 0xFFFFFFFF, high - low + 1, starved


def hart_bits(value):
    """The harts in a set of a mailbox."""
    names = field_names(value)
    words = [number(w) for w in fat(member(value, names[0]))]
    bits = sum(w << 64 * n for n, w in enumerate(words))
    return [n for n in range(64 * len(words)) if bits >> n & 1]


def mailbox(hart):
    """Whether a hart's mailbox is pending, and who has said what."""
    box = hart.mailboxes()[hart.index]
    pending = bool(number(member(box, "pending")))
    return pending, hart_bits(member(box, "sources")), hart_bits(member(box, "space"))


def check_mail(hart, harts):
    """A doorbell that was lost, and rings that nobody will look at. Whoever
    was stopped between the flag and the doorbell may still ring."""
    problems = []
    busy = [other.index for other in harts if other.is_changing()]
    unless = f", unless one of {busy} is about to ring" if busy else ""
    pending, sources, _ = mailbox(hart)
    asleep = hart.cpu is not None and hart.cpu.asleep
    if pending and asleep and hart.cpu.doorbell is False:
        problems.append(f"asleep with mail pending, and no doorbell in flight{unless}")
    for source, fill, size, _ in ring_fills(hart, "inbound"):
        if fill > size:
            problems.append(f"the ring from hart {source} holds {fill} of {size}")
        if fill and asleep and not pending and source not in sources:
            problems.append(f"asleep, and {fill} operation(s) from hart {source} unseen{unless}")
    return problems


# --- Trace ------------------------------------------------------------------


class Record:
    """One record of a trace ring."""

    def __init__(self, hart, words):
        """Takes it apart: time; thread; event in the top byte and a; b."""
        self.hart = hart
        self.time, self.thread, packed, self.b = words
        self.event, self.a = packed >> 56, packed & 0xFFFFFFFF


def read_trace(hart):
    """The records of a hart's ring, oldest first. When the ring is full, the
    oldest shares its place with one that may be half written; it is left out."""
    slots = member(hart.value, "trace", "slots")
    start, length = number(slots["data_ptr"]), number(slots["length"])
    size = slots["data_ptr"].type.target().sizeof
    if size != 32 or length & (length - 1):
        raise Unexpected(f"a trace of {length} records of {size} bytes")
    count = number(member(hart.value, "trace", "count").dereference())
    data = memory(start, length * size)
    for n in range(max(0, count - length + 1), count):
        place = (n & (length - 1)) * size
        yield Record(hart, struct.unpack_from("<4Q", data, place))


def enum_names(name):
    """Numbers and names of an enum, from the debug information."""
    fields = lookup(name).fields()
    return {f.enumval: f.name.rsplit("::", 1)[-1] for f in fields}


MESSAGES = {"MsgSend": "to", "MsgReceive": "at", "MsgReply": "of"}


def decode(harts, record, events, reasons):
    """A record's event and arguments in words."""
    event = events.get(record.event)
    if event is None:
        return f"unknown event {record.event}, a={record.a:#x}, b={record.b:#x}"
    if event == "Switch":
        reason = reasons.get(record.a, f"reason {record.a}")
        return f"Switch to {name_of_word(harts, record.b)} ({reason})"
    if event in ("WakeLocal", "WakeRemote"):
        return f"{event} of {name_of_word(harts, record.b)}"
    if event in ("PortSend", "PortReply"):
        return f"{event} number {record.a} to {name_of_word(harts, record.b)}"
    if event == "DoorbellSent":
        return f"DoorbellSent to hart {record.a}"
    if event == "DoorbellTaken":
        return f"DoorbellTaken, {record.a} operation(s)"
    if event == "TrapEnter":
        kind = "interrupt" if record.a >> 31 else "exception"
        return f"TrapEnter, {kind} {record.a & 0x7FFFFFFF} at {record.b:#x} {places(record.b)[0]}"
    if event in MESSAGES:
        return f"{event} {record.b:#x} {MESSAGES[event]} channel {record.a}"
    if event == "Boost":
        return f"Boost of {name_of_word(harts, record.b)} to priority {record.a}"
    if event == "Unblock":
        error = enum_names("skimmer_abi::errno::Errno").get(record.a, f"error {record.a}")
        return f"Unblock of {name_of_word(harts, record.b)}: {error}"
    if record.a or record.b:
        return f"{event} a={record.a:#x} b={record.b:#x}"
    return event


def last_time(harts):
    """The time of the last record of all."""
    times = [0]
    for hart in harts:
        records = list(read_trace(hart))
        times += [records[-1].time] if records else []
    return max(times)


# --- Memory -----------------------------------------------------------------


def magazines(hart):
    """For each size class of a hart's stock: bytes of a block, blocks."""
    stock = peel_to(member(hart.local, "stock", "value"), "skimmer_sync::magazine::Magazines")
    stacks = member(stock, "__0")
    low, high = stacks.type.range()
    for n in range(low, high + 1):
        yield SMALLEST << (n - low), stacks[n]


def check_stock(hart, size, stack):
    """Whether a stock's chain is as long as it says."""
    count = number(member(stack, "count"))
    block, steps = option(member(stack, "top")), 0
    while block is not None and steps <= count:
        if block % SMALLEST:
            return f"stock of {size}-byte blocks leads to {block:#x}"
        steps += 1
        block = word(block) or None
    if steps != count:
        more = "more than " if steps > count else ""
        return f"stock of {size}-byte blocks says {count}, holds {more}{min(steps, count)}"
    return None


def heap():
    """The heap: whether its lock is held, bytes in use, and its banks."""
    lock = member(static("skimmer_arch::memory::HEAP"), "__0")
    slabs = peel_to(
        member(lock, "value"), "skimmer_sync::slab::Slabs<skimmer_arch::heap::Banks>"
    )
    banks, address = [], option(member(slabs, "frames", "first"))
    while address is not None and len(banks) < MAX_HARTS:
        link = at(address, "skimmer_arch::heap::Link")
        bank = member(link, "bank")
        banks.append((number(member(bank, "first")), number(member(bank, "free"))))
        address = option(member(link, "next"))
    return bool(number(member(lock, "holders"))), number(member(slabs, "bytes")), banks


def kernel_stacks():
    """How many kernel stacks are mapped, and how many of them nobody uses."""
    stacks = member(static("skimmer_arch::stack_memory::STACKS"), "value")
    free = peel_to(stacks, "skimmer_arch::stack_memory::Stacks")
    address, count = word(int(member(free, "free").address)), 0
    while address and count < MAX_ELEMENTS:
        count += 1
        address = word(address)
    return number(member(free, "next")) - 1, count


def fifo_length(value):
    """How many nodes a Fifo holds."""
    node, count = option(member(value, "head")), 0
    if node is None:
        return 0
    kind = lookup(value.type.name.replace("fifo::Fifo<", "fifo::Node<", 1))
    while node is not None and count < MAX_ELEMENTS:
        count += 1
        node = option(member(at(node, kind), "next"))
    return count


# --- Commands ---------------------------------------------------------------

COMMANDS = []


def command(name):
    """Makes a function of one argument a command of that name."""

    def register(function):
        class Command(gdb.Command):
            __doc__ = function.__doc__

            def __init__(self):
                super().__init__(name, gdb.COMMAND_DATA)

            def invoke(self, argument, from_tty):
                """Runs it; what it does not expect is an error of its own."""
                self.dont_repeat()
                try:
                    with looking():
                        function(argument.strip())
                except gdb.MemoryError as error:
                    raise Unexpected(f"{name}: {error}") from error

        COMMANDS.append((name, (function.__doc__ or "").strip().splitlines()[0]))
        Command()
        return function

    return register


def table(head, rows):
    """Prints rows under a head, the columns as wide as they need."""
    rows = [[str(cell) for cell in row] for row in [head] + rows]
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())


def guarded(function, *arguments):
    """What a function gives, or its complaint: one part that is not as
    expected must not hide the others."""
    try:
        return function(*arguments)
    except TROUBLE as error:
        return f"<{error}>"


def hart_problems(hart, harts):
    """Everything that is wrong with one hart."""
    problems = check_queues(hart)[1] + check_mail(hart, harts)
    for thread in hart.threads().values():
        if not thread.canary_ok():
            problems.append(f"{thread} {thread.name}: its stack's canary is DEAD")
    for size, stack in magazines(hart):
        problem = check_stock(hart, size, stack)
        problems += [problem] if problem else []
    if hart.counter("online") != 1:
        problems.append("has not come up")
    return problems


def print_problems(harts, find, good, others=()):
    """Prints what `find` finds on any hart, and others, or that all is well."""
    findings = list(others)
    for hart in harts:
        problems = guarded(find, hart)
        if isinstance(problems, str):
            problems = [problems]
        changing = " (stopped amid a section: it may be changing this)"
        for problem in problems:
            mark = changing if hart.is_changing() else ""
            findings.append(f"hart {hart.index}: {problem}{mark}")
    print_findings(findings, good)


def print_findings(findings, good):
    """Prints everything that is wrong, or that all is well."""
    for finding in findings:
        print(f"  {finding}")
    print(f"INCONSISTENT: {len(findings)} finding(s)" if findings else good)


@command("sk-state")
def sk_state(_):
    """One screen: what each hart runs, its counters, and what is wrong.

    Under `channels` stands how many of the blocked threads wait at a channel; a
    line says what for. The last line says whether anything is inconsistent. Takes no argument."""
    harts = read_harts()
    names = ["switches", "remote_ops", "sends", "replies", "work", "preemptions"]
    rows, programs = [], Programs(harts)
    for hart in harts:
        threads = hart.threads().values()
        ready = sum(t.state == "Ready" for t in threads)
        blocked = sum(t.state == "Blocked" for t in threads)
        waiting = sum(t.why == "Channel" for t in threads)
        current = hart.current_thread()
        who = f"{current} {current.name}" if current else "?"
        counters = [hart.counter(name) for name in names]
        place = guarded(hart.cpu.place) if hart.cpu else "?"
        rows.append([hart.index, hart.hartid, who, ready, blocked, waiting, *counters, place])
    table(["hart", "id", "runs", "ready", "blocked", "channels", *names, "at"], rows)
    held, in_use, banks = heap()
    free = sum(free for _, free in banks)
    print(f"heap: {in_use} bytes in use, {free} frames free{', LOCKED' if held else ''}")
    print(guarded(channels_text, programs))
    print_problems(
        harts,
        lambda hart: hart_problems(hart, harts),
        "nothing is inconsistent",
        channel_problems(programs),
    )


@command("sk-pcpu")
def sk_pcpu(_):
    """Per hart: current thread, sections, mailbox, rings, timer, trace.

    And the worst off-times, if the kernel measures them. Takes no argument."""
    harts = read_harts()
    now = last_time(harts)
    for hart in harts:
        print(f"hart {hart.index} (id {hart.hartid}): {guarded(current_text, hart)}")
        for part in (flags_text, mail_text, rings_text, timer_text, trace_text):
            print(f"    {guarded(part, hart, now)}")
        worst = guarded(off_times_text, hart)
        if worst:
            print(f"    {worst}")


def off_times_text(hart):
    """The longest off-times, in steps of instret; nothing if none were measured."""
    of = member(hart.inspect, "off_times")
    parts = []
    for name in ("masked", "deferred", "masked_shared", "deferred_shared"):
        longest = member(of, name)
        length, begin, end = (number(member(longest, part)) for part in ("length", "from", "to"))
        if length:
            parts.append(f"{name.replace('_', ' ')} {length} from {begin:#x} to {end:#x}")
    wait = number(member(of, "lock_wait"))
    parts += [f"waiting for a lock {wait}"] if wait else []
    return f"off-times {', '.join(parts)}" if parts else ""


def current_text(hart):
    """The current thread, and where it is."""
    thread = hart.current_thread()
    if thread is None:
        return f"slot {hart.current[0]}, where no such thread is"
    place = hart.cpu.place() if hart.cpu else "unknown"
    return f"{thread} {thread.name}, priority {thread.priority}, {place}"


def flags_text(hart, _):
    """Critical depth and what is due."""
    local = hart.local
    depth = number(member(local, "critical_depth"))
    due = bool(number(member(local, "is_switch_due")))
    wanted = bool(number(member(hart.value, "preempt_wanted")))
    return (
        f"critical depth {depth}, switch due {due}, preemption wanted {wanted}, "
        f"state open {hart.is_open}"
    )


def mail_text(hart, _):
    """Mailbox and doorbells."""
    pending, sources, space = mailbox(hart)
    sent, taken = hart.counter("doorbells"), hart.counter("doorbells_taken")
    return (
        f"mail pending {pending}, from {sources}, space at {space}, "
        f"doorbells sent {sent}, taken {taken}"
    )


def rings_text(hart, _):
    """The rings that are not empty."""
    texts = []
    for side, way in (("inbound", "from"), ("outbound", "to")):
        fills = list(ring_fills(hart, side))
        busy = [
            f"{way} {index}: {fill}/{size}{' starved' if starved else ''}"
            for index, fill, size, starved in fills
            if fill or starved
        ]
        texts.append(f"{side} {', '.join(busy) if busy else f'{len(fills)} empty'}")
    return "rings " + "; ".join(texts)


def timer_text(hart, now):
    """The timer, and the end of the time slice."""
    armed = optional(member(hart.value, "armed"))
    slice_end = optional(member(hart.value, "slice_end"))
    return f"timer {when(armed, now)}, slice ends {when(slice_end, now)}"


def when(time, now):
    """A moment, and how far it is from the last record."""
    return "none" if time is None else f"{time} (last record {time - now:+})"


def trace_text(hart, _):
    """How full the trace is."""
    length = number(member(hart.value, "trace", "slots", "length"))
    count = number(member(hart.value, "trace", "count").dereference())
    return f"trace {min(count, length)} of {length} records, {count} written"


@command("sk-runq")
def sk_runq(_):
    """Every run queue by level, and at once whether any is cyclic or wrong.

    Checked: links, queue numbers, the bitmap, and that exactly the ready
    threads are queued; the queues of the dead and of waiters too. Takes no
    argument."""
    harts = read_harts()
    for hart in harts:
        levels = guarded(lambda hart=hart: check_queues(hart)[0])
        if isinstance(levels, str):
            print(f"hart {hart.index}: {levels}")
            continue
        print(f"hart {hart.index}:{'' if levels else ' nobody is ready'}")
        for level, slots in sorted(levels.items(), reverse=True):
            names = (hart.threads()[slot] for slot in slots)
            print(f"  {level:>3}: " + ", ".join(f"{t} {t.name}" for t in names))
    print_problems(
        harts, lambda hart: check_queues(hart)[1], f"consistent: {len(harts)} run queue(s)"
    )


@command("sk-thread")
def sk_thread(argument):
    """All threads, or with HART.SLOT one of them and its backtrace.

    Shown: id, name, priority and base (what it is on the thread's own account),
    state and why, the channel that it serves, what it waits for at a channel,
    bytes of stack in use, and whether the canary is whole. `sk-thread all` shows
    every thread's backtrace."""
    harts = read_harts()
    programs = Programs(harts)
    if argument == "all":
        for hart in harts:
            for _, thread in sorted(hart.threads().items()):
                print(guarded(one_thread, programs, thread) or "")
        return
    if argument:
        one_thread(programs, find_thread(harts, argument))
        return
    rows = []
    for hart in harts:
        rows += [thread_row(programs, hart.threads()[slot]) for slot in sorted(hart.threads())]
    table(THREAD, rows)
    print(f"{len(rows)} thread(s)")


THREAD = [
    "thread", "name", "priority", "base", "state", "process", "serves", "waits", "stack", "canary"
]


def thread_row(programs, thread):
    """A thread as a row of the table."""
    return [
        thread,
        thread.name,
        thread.priority,
        guarded(thread.base),
        thread.state_text(),
        guarded(process_text, programs, thread),
        guarded(serves_text, thread),
        guarded(wait_text, programs, thread),
        guarded(thread.stack_text),
        "ok" if thread.canary_ok() else "DEAD",
    ]


def process_text(programs, thread):
    """The process of a thread, in words."""
    owner = thread.owner()
    if owner is None:
        return "-"
    process = programs.process_at(owner)
    return f"a process at {owner:#x}" if process is None else str(process)


def serves_text(thread):
    """The channel that a thread received from last."""
    channel = thread.serves()
    return "-" if channel is None else f"{channel:#x}"


def find_thread(harts, argument):
    """The thread of that name, HART.SLOT with or without #GENERATION."""
    try:
        index, slot = (int(part) for part in argument.split("#")[0].split("."))
    except ValueError as error:
        raise Unexpected(f"`{argument}` is no thread: write HART.SLOT") from error
    thread = harts[index].threads().get(slot) if 0 <= index < len(harts) else None
    if thread is None:
        raise Unexpected(f"there is no thread {argument}")
    return thread


def one_thread(programs, thread):
    """A thread in full."""
    for name, cell in zip(THREAD, thread_row(programs, thread)):
        print(f"{name:<9} {cell}")
    print(f"memory    {thread.header:#x} to {thread.header + STACK_SIZE:#x}")
    port = member(thread.value, "port")
    waiting = [fifo_length(member(port, name)) for name in ("requests", "replies")]
    held = number(member(port, "held"))
    print(f"port      {waiting[0]} request(s), {waiting[1]} reply(ies), {held} held")
    if thread.is_current() and thread.hart.cpu is not None:
        running_backtrace(thread.hart.cpu)
    else:
        saved_backtrace(thread)


def running_backtrace(cpu):
    """The backtrace of a hart, by the debugger's own means."""
    selected = gdb.selected_thread()
    cpu.thread.switch()
    try:
        frame, depth = gdb.newest_frame(), 0
        while frame is not None and depth < DEEPEST:
            line = frame.find_sal()
            where = f" at {line.symtab.filename}:{line.line}" if line.symtab else ""
            print(f"  {depth:>2}: {frame.pc():#x} {frame.name() or '?'}{where}")
            frame, depth = frame.older(), depth + 1
    finally:
        selected.switch()


def saved_backtrace(thread):
    """The backtrace of a thread that does not run, along its frame pointers
    from where the switch has left it."""
    sp = thread.stack_pointer()
    low, high = thread.header, thread.header + STACK_SIZE
    if not low < sp < high:
        raise Unexpected(f"its stack pointer {sp:#x} is not on its stack")
    pc, frame = word(sp + SAVED_RA), word(sp + SAVED_S0)
    for depth in range(DEEPEST):
        # A return address belongs to the call before it.
        start = "skimmer_thread_start" in places(pc)[0]
        print(f"  {depth:>2}: {pc:#x} {describe(pc if start else pc - 1)}")
        if not low < frame - 16 < frame <= high or frame % 8:
            break
        pc, previous = word(frame - 8), word(frame - 16)
        if pc == 0 or (previous and previous <= frame):
            break
        frame = previous


@command("sk-chan")
def sk_chan(argument):
    """Every channel of every process: who waits there, in order, and for whom.

    With PID those of one process. Shown of a channel: its name, state and flags,
    who received last and at what priority, and its queues: clients that have sent
    (Send), servers that receive (Receive), clients to be answered (Reply), and
    those that somebody copies with (Copying). The last line says whether queues,
    records and threads agree."""
    programs = Programs(read_harts())
    wanted = None
    if argument:
        try:
            wanted = int(argument, 0)
        except ValueError as error:
            raise Unexpected(f"`{argument}` is no pid") from error
    blocked, last = {}, None
    for channel, queues in programs.channels():
        if wanted is not None and channel.process.pid != wanted:
            continue
        add_blocked(programs, channel, queues, blocked)
        if channel.process is not last:
            last = channel.process
            print(f"{last}:")
        complaint = guarded(print_channel, programs, channel, queues)
        if complaint:
            print(f"  channel {channel.chid:#x}: {complaint}")
    if wanted is not None and last is None:
        raise Unexpected(f"no process of pid {wanted:#x} has a channel")
    for (who, whom), queues in sorted(blocked.items()):
        parts = ", ".join(f"{queues[w]} {w.lower()}" for w in QUEUES if w in queues)
        print(f"{who} is blocked on {whom}: {parts}")
    print(channels_text(programs))
    print_findings(programs.problems, "consistent: queues, records and threads agree")


def add_blocked(programs, channel, queues, blocked):
    """Counts which process waits for which."""
    for which in QUEUES:
        for waiter in queues[which]:
            who = programs.process_of(waiter.owner)
            whom = str(channel.process)
            if waiter.owner == channel.process.number and which == "Receive":
                whom = "its clients"
            counts = blocked.setdefault((who, whom), {})
            counts[which] = counts.get(which, 0) + 1


def print_channel(programs, channel, queues):
    """A channel in full."""
    server = "nobody has received"
    if channel.server is not None:
        word_, priority = channel.server
        server = f"received last by {name_of_word(programs.harts, word_)} for priority {priority}"
    locked = ", LOCKED" if channel.is_locked else ""
    waits = "" if any(queues.values()) else ", nobody waits"
    state = f"{channel.state}{locked}, {channel.flags_text()}, {server}{waits}"
    print(f"  channel {channel.chid:#x}: {state}")
    for thread in programs.servers().get((channel.process.place, channel.chid), []):
        now, base = thread.priority, thread.base()
        print(f"    served by {thread} {thread.name}, priority {now}, base {base}")
    rows = [
        [
            f"    {which}",
            place,
            name_of_word(programs.harts, waiter.thread),
            programs.process_of(waiter.owner),
            f"{waiter.tid:#x}",
            waiter.priority,
            f"{waiter.coid:#x}" if waiter.coid else "-",
            "-" if waiter.coid == 0 else f"{waiter.message():#x}",
            waiter.out,
            waiter.received,
            waiter.into,
        ]
        for which in QUEUES
        for place, waiter in enumerate(queues[which])
    ]
    head = ["queue", "#", "thread", "process", "tid", "priority", "coid", "message"]
    if rows:
        table(["    " + head[0], *head[1:], "sends", "received", "room"], rows)


@command("sk-pool")
def sk_pool(_):
    """Thread tables, stocks of memory blocks, heap and frames.

    What one call shows can be held against the next: the last line says how
    much more or less is in use. Takes no argument."""
    harts = read_harts()
    rows = [pool_row(hart) for hart in harts]
    head = ["hart", "slots", "live", "free", "retired", "to bury", "to return", "to free"]
    table(head, rows)
    stocked = 0
    sizes = [size for size, _ in magazines(harts[0])]
    stocks = []
    for hart in harts:
        counts = [(size, number(member(stack, "count"))) for size, stack in magazines(hart)]
        stocked += sum(size * count for size, count in counts)
        stocks.append([hart.index, *(count for _, count in counts)])
    print("stocks, in blocks by their size:")
    table(["hart", *sizes], stocks)
    print_heap(stocked, sum(row[2] for row in rows))


def pool_row(hart):
    """A hart's thread table, and what waits for its service thread."""
    threads = member(hart.value, "threads")
    slots, live = number(member(threads, "slots")), number(member(threads, "live"))
    free = number(member(threads, "free", "len"))
    dead = sum(t.state == "Dead" for t in hart.threads().values())
    back = sum(fifo_length(member(hart.value, name)) for name in ("orphans", "canceled"))
    freed = sum(fifo_length(member(hart.value, name)) for name in ("discards", "notes"))
    return [hart.index, slots, live, free, slots - live - free, dead, back, freed]


BEFORE = {}


def print_heap(stocked, threads):
    """The heap, and what has changed since the last call."""
    held, in_use, banks = heap()
    now = {"bytes": in_use - stocked, "threads": threads, "frames": sum(f for _, f in banks)}
    print(f"heap: {in_use} bytes out, of which {stocked} in stocks: {in_use - stocked} in use")
    for first, free in banks:
        print(f"bank from frame {first:#x}: {free} frames free")
    mapped, unused = kernel_stacks()
    print(f"kernel stacks: {mapped} mapped, {unused} of them unused")
    print(f"live threads {threads}, frames free {now['frames']}{', LOCKED' if held else ''}")
    if "pool" in BEFORE:
        changes = [f"{name} {now[name] - BEFORE['pool'][name]:+}" for name in now]
        print("since the last call: " + ", ".join(changes))
    BEFORE["pool"] = now


@command("sk-storm")
def sk_storm(_):
    """Progress of the workloads: counters per hart, totals, and change.

    The change is since the last call of this command. Takes no argument."""
    names = ["work", "sends", "replies", "switches", "remote_ops", "ring_waits"]
    rows = [[h.index, *(h.counter(name) for name in names)] for h in read_harts()]
    totals = [sum(column) for column in list(zip(*rows))[1:]]
    body = rows + [["all", *totals]]
    if "storm" in BEFORE:
        since = [f"{now - old:+}" for now, old in zip(totals, BEFORE["storm"])]
        body.append(["since", *since])
    table(["hart", *names], body)
    BEFORE["storm"] = totals


@command("sk-trace")
def sk_trace(argument):
    """The trace of all harts in the order of time: the last N records.

    N is 100 unless told. One line a record: time, hart, thread, event."""
    count = TRACE_DEFAULT
    if argument:
        if not argument.isdecimal():
            raise Unexpected(f"`{argument}` is no number of records")
        count = int(argument)
    harts = read_harts()
    events = enum_names("skimmer_abi::trace::Event")
    reasons = enum_names("skimmer_abi::trace::Reason")
    records = [record for hart in harts for record in read_trace(hart)]
    # Stable: records of one hart with the same time stay in their order.
    records.sort(key=lambda record: record.time)
    for record in records[len(records) - min(count, len(records)):]:
        who = name_of_word(harts, record.thread)
        what = decode(harts, record, events, reasons)
        print(f"{record.time:>12}  hart {record.hart.index:<3} {who:<20} {what}")


SAVED = {
    "sk-state.txt": "sk-state",
    "sk-pcpu.txt": "sk-pcpu",
    "sk-runq.txt": "sk-runq",
    "sk-thread.txt": "sk-thread",
    "sk-backtraces.txt": "sk-thread all",
    "sk-chan.txt": "sk-chan",
    "sk-pool.txt": "sk-pool",
    "sk-storm.txt": "sk-storm",
    "sk-trace.txt": "sk-trace 4000",
}


@command("sk-save")
def sk_save(argument):
    """Writes what all the others show into files in DIRECTORY (on the host).

    A command that fails leaves its message in place of its output."""
    if not argument:
        raise Unexpected("sk-save DIRECTORY")
    for name, line in SAVED.items():
        try:
            said = gdb.execute(line, to_string=True)
        except TROUBLE as error:
            said = f"{line}: {error}\n"
        with open(f"{argument}/{name}", "w", encoding="utf-8") as file:
            file.write(said)
        print(f"{argument}/{name}")


@command("sk-help")
def sk_help(_):
    """These commands, a line each."""
    for name, line in COMMANDS:
        print(f"{name:<10} {line}")
    print("`help NAME` says more of one.")
