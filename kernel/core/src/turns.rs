// SPDX-License-Identifier: Apache-2.0
//! Whose turn it is at a lock whose waiters sleep: the value, and who waits for
//! it, the most urgent first.
//!
//! A waiter can be woken for other reasons than its turn, and asks again then.
//! So whoever gets the value is listed no more: a wake that went to somebody
//! who has had it already would be missing elsewhere.

use alloc::collections::VecDeque;

use skimmer_sync::footprint;

use crate::{
    ids::{Priority, ThreadId},
    table::OutOfMemory,
};

/// Room is made for so many at least.
const FEWEST: usize = 8;

/// A value that one thread has at a time.
#[derive(Debug)]
pub struct Turns<T> {
    /// None while somebody has it.
    value: Option<T>,
    waiters: VecDeque<(Priority, ThreadId)>,
}

/// What somebody who asks for the value gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn<T> {
    /// The value.
    Now(T),
    /// It is listed, and is woken when there is something to ask for again.
    Later,
    /// There is no room to list it, and nobody wakes it. With room for so many
    /// ([`Turns::widen`]) it may ask again.
    NoRoom(usize),
}

/// Memory for a list of waiters, had where interrupts are open.
#[derive(Debug)]
pub struct Room(VecDeque<(Priority, ThreadId)>);

impl Room {
    /// For so many.
    ///
    /// # Errors
    /// When memory is out.
    pub fn of(waiters: usize) -> Result<Self, OutOfMemory> {
        let mut room = VecDeque::new();
        room.try_reserve_exact(waiters).map_err(|_| OutOfMemory)?;
        Ok(Self(room))
    }
}

impl<T> Turns<T> {
    /// A value that nobody has.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self { value: Some(value), waiters: VecDeque::new() }
    }

    /// `thread` wants the value.
    pub fn ask(&mut self, thread: ThreadId, priority: Priority) -> Turn<T> {
        let listed = self.waiters.iter().position(|(_, waiter)| *waiter == thread);
        if let Some(value) = self.value.take() {
            listed.and_then(|at| self.waiters.remove(at));
            return Turn::Now(value);
        }
        if listed.is_none() {
            if self.waiters.len() == self.waiters.capacity() {
                return Turn::NoRoom((self.waiters.len() + 1).next_power_of_two().max(FEWEST));
            }
            let less = self.waiters.iter().position(|(other, _)| *other < priority);
            self.waiters.insert(less.unwrap_or(self.waiters.len()), (priority, thread));
        }
        Turn::Later
    }

    /// Lists more waiters from now on. What comes back is to be dropped where
    /// interrupts are open.
    #[must_use = "freeing it takes long"]
    pub fn widen(&mut self, mut room: Room) -> Room {
        if room.0.capacity() > self.waiters.capacity() {
            room.0.append(&mut self.waiters);
            core::mem::swap(&mut room.0, &mut self.waiters);
        }
        room
    }

    /// Bytes of the heap that the list of waiters takes.
    #[must_use]
    pub fn footprint(&self) -> usize {
        footprint::array::<(Priority, ThreadId)>(self.waiters.capacity())
    }

    /// Gives the value back. Returns who is to be woken.
    pub fn put(&mut self, value: T) -> Option<ThreadId> {
        self.value = Some(value);
        self.waiters.pop_front().map(|(_, waiter)| waiter)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;
    use crate::ids::{HartIndex, SlotId};

    /// Asks as a lock does.
    fn ask(turns: &mut Turns<()>, thread: ThreadId, priority: Priority) -> Turn<()> {
        loop {
            match turns.ask(thread, priority) {
                Turn::NoRoom(count) => drop(turns.widen(Room::of(count).unwrap())),
                turn => return turn,
            }
        }
    }

    fn thread(number: u32) -> ThreadId {
        ThreadId::new(HartIndex::new(0), SlotId::from_word(u64::from(number)))
    }

    const LOW: Priority = Priority::new(1);
    const HIGH: Priority = Priority::new(9);

    #[test]
    fn the_most_urgent_is_first_and_equals_come_in_order() {
        let mut turns = Turns::new(());
        assert_eq!(ask(&mut turns, thread(0), LOW), Turn::Now(()));
        for (number, priority) in [(1, LOW), (2, LOW), (3, HIGH), (4, HIGH)] {
            assert_eq!(ask(&mut turns, thread(number), priority), Turn::Later);
        }
        let woken: Vec<_> = (0..4).map(|_| turns.put(()).unwrap()).collect();
        assert_eq!(woken, [3, 4, 1, 2].map(thread));
        assert_eq!(turns.put(()), None);
    }

    #[test]
    fn who_has_had_it_is_not_woken_in_place_of_another() {
        let mut turns = Turns::new(());
        let [holder, a, b] = [0, 1, 2].map(thread);
        let _ = ask(&mut turns, holder, LOW);
        let _ = (ask(&mut turns, a, LOW), ask(&mut turns, b, LOW));
        assert_eq!(turns.put(()), Some(a));
        // Before a comes, something else wakes b.
        assert_eq!(ask(&mut turns, b, LOW), Turn::Now(()));
        assert_eq!(ask(&mut turns, a, LOW), Turn::Later);
        assert_eq!(turns.put(()), Some(a));
    }

    #[test]
    fn a_list_that_is_full_is_widened_and_keeps_its_order() {
        let mut turns = Turns::new(());
        let _ = ask(&mut turns, thread(0), LOW);
        assert_eq!(turns.ask(thread(1), LOW), Turn::NoRoom(FEWEST));
        (1..=20).for_each(|number| assert_eq!(ask(&mut turns, thread(number), LOW), Turn::Later));
        // Room that comes too late is of no use, and comes back.
        assert!(turns.widen(Room::of(1).unwrap()).0.capacity() < FEWEST);
        let woken: Vec<_> = (0..20).map(|_| turns.put(()).unwrap()).collect();
        assert!(woken.into_iter().eq((1..=20).map(thread)));
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Is {
        Awake,
        Asleep,
        Holder,
        Done,
    }

    /// Threads that each want the value some times, woken for no reason now and
    /// then, in an order drawn from the seed. Whether all of them got it.
    fn all_get_it(seed: u64, threads: u32) -> bool {
        let mut state = seed;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        let mut turns = Turns::new(());
        let mut are = vec![Is::Awake; threads as usize];
        let mut left = vec![3; threads as usize];
        let mut stray = 40;
        loop {
            let can: Vec<usize> =
                (0..are.len()).filter(|&at| matches!(are[at], Is::Awake | Is::Holder)).collect();
            if can.is_empty() {
                return are.iter().all(|is| *is == Is::Done);
            }
            if stray > 0 && draw(4) == 0 {
                stray -= 1;
                let at = draw(are.len());
                if are[at] == Is::Asleep {
                    are[at] = Is::Awake;
                }
                continue;
            }
            let at = can[draw(can.len())];
            if are[at] == Is::Holder {
                left[at] -= 1;
                are[at] = if left[at] == 0 { Is::Done } else { Is::Awake };
                if let Some(woken) = turns.put(()) {
                    let woken = (0..threads).position(|number| thread(number) == woken).unwrap();
                    // A wake of one that is awake is lost.
                    if are[woken] == Is::Asleep {
                        are[woken] = Is::Awake;
                    }
                }
                continue;
            }
            let priority = Priority::new(u8::try_from(at % 3).unwrap());
            are[at] = match ask(&mut turns, thread(u32::try_from(at).unwrap()), priority) {
                Turn::Now(()) => Is::Holder,
                Turn::Later => Is::Asleep,
                Turn::NoRoom(_) => unreachable!("room was made"),
            };
        }
    }

    #[test]
    fn nobody_sleeps_beside_a_free_value() {
        for seed in 0..20_000 {
            assert!(all_get_it(seed, 2 + (seed % 5) as u32), "seed {seed}");
        }
    }
}
