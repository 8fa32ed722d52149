//! What waits for a thread: bounded by the time it will take, short work first, nothing for ever.
//!
//! A queue is for bursts. One that has not been empty for a while holds nothing but delay: then only work is taken in that waits
//! less than it takes itself, as in Nichols and Jacobson, "Controlling Queue Delay" (2012), section 4, which bounds the time in
//! the queue and not its length.
//!
//! Work ranks by when it came plus how long it will take. So what takes 10 ms overtakes what takes a second and came up to a
//! second before, and what takes long is overtaken for no longer than it takes itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How fast estimates follow what was measured.
const FOLLOW: f64 = 0.1;
/// A queue that has not been empty for so long is no burst.
const BURST: Duration = Duration::from_secs(3);
/// Work gives way only to what is so much shorter.
const SHORTER: u64 = 4;

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    rank: Duration,
    number: u64,
}

struct Waiting<T> {
    cost: u64,
    work: T,
}

/// Why there is no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full {
    /// When there may be.
    pub(super) again: Duration,
}

pub(super) struct Queue<T> {
    began: Instant,
    threads: u32,
    most: usize,
    waiting: BTreeMap<Turn, Waiting<T>>,
    next: u64,
    /// Cost of what waits, and of what runs.
    waits: u64,
    runs: u64,
    /// Seconds that one unit of cost takes, as measured; 0 before anything was.
    pace: f64,
    /// When nothing waited last.
    idle: Instant,
}

impl<T> Queue<T> {
    /// A queue for so many threads, in which at most so much waits.
    pub(super) fn new(threads: usize, most: usize) -> Self {
        Self {
            began: Instant::now(),
            threads: u32::try_from(threads.max(1)).unwrap_or(u32::MAX),
            most,
            waiting: BTreeMap::new(),
            next: 0,
            waits: 0,
            runs: 0,
            pace: 0.0,
            idle: Instant::now(),
        }
    }

    /// Whether work of this cost may come in: there is room for bursts, but not for what stands.
    pub(super) fn takes_in(&mut self, cost: u64) -> Result<(), Full> {
        if self.waiting.is_empty() {
            self.idle = Instant::now();
        }
        let wait = self.wait();
        let stands = self.idle.elapsed() > BURST;
        if stands && wait >= self.takes(cost.max(1)) { Err(Full { again: wait }) } else { Ok(()) }
    }

    /// How long work of this cost takes, alone.
    fn takes(&self, cost: u64) -> Duration {
        Duration::try_from_secs_f64(cost as f64 * self.pace).unwrap_or(Duration::MAX)
    }

    /// How long it is until what comes now is begun, if nothing shorter comes.
    pub(super) fn wait(&self) -> Duration {
        self.takes(self.waits.saturating_add(self.runs / 2)) / self.threads
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < self.most
    }

    /// Takes work in. Where there is no room, the costliest work makes room if it is much costlier, and is given back.
    pub(super) fn push(&mut self, cost: u64, work: T) -> Result<(Turn, Option<T>), (T, Full)> {
        let cost = cost.max(1);
        let mut gone = None;
        if !self.has_room() {
            let costliest = self.waiting.iter().max_by_key(|(turn, w)| (w.cost, **turn));
            let costliest = costliest.filter(|(_, w)| w.cost / SHORTER >= cost).map(|(turn, _)| *turn);
            match costliest.and_then(|turn| self.remove(turn)) {
                Some(work) => gone = Some(work),
                None => return Err((work, Full { again: self.wait() })),
            }
        }
        let turn = Turn { rank: self.began.elapsed().saturating_add(self.takes(cost)), number: self.next };
        self.next += 1;
        self.waits = self.waits.saturating_add(cost);
        self.waiting.insert(turn, Waiting { cost, work });
        Ok((turn, gone))
    }

    /// The next work to begin, with its cost.
    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        let (_, Waiting { cost, work }) = self.waiting.pop_first()?;
        self.waits -= cost;
        self.runs = self.runs.saturating_add(cost);
        if self.waiting.is_empty() {
            self.idle = Instant::now();
        }
        Some((cost, work))
    }

    /// Work that nobody waits for any more.
    pub(super) fn remove(&mut self, turn: Turn) -> Option<T> {
        let Waiting { cost, work } = self.waiting.remove(&turn)?;
        self.waits -= cost;
        Some(work)
    }

    /// Work ended after so long.
    pub(super) fn ended(&mut self, cost: u64, took: Duration) {
        self.runs = self.runs.saturating_sub(cost);
        let pace = took.as_secs_f64() / cost as f64;
        self.pace = if self.pace == 0.0 { pace } else { self.pace + FOLLOW * (pace - self.pace) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue in which a unit of cost takes a second.
    fn queue(most: usize) -> Queue<&'static str> {
        let mut queue = Queue::new(2, most);
        queue.push(10, "first").unwrap();
        let (cost, _) = queue.pop().unwrap();
        queue.ended(cost, Duration::from_secs(10));
        queue
    }

    #[test]
    fn what_is_short_goes_before_what_is_long_and_came_little_earlier() {
        let mut queue = queue(8);
        for (cost, work) in [(100, "long"), (1, "short"), (50, "middle"), (1, "short too")] {
            queue.push(cost, work).unwrap();
        }
        assert_eq!(queue.wait(), Duration::from_secs(76));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, work)| work).collect();
        assert_eq!(order, ["short", "short too", "middle", "long"]);
        assert_eq!(queue.wait(), Duration::from_secs(38), "what runs is half done");
        // Later than the long one would have ended: no overtaking any more.
        queue.push(100, "long").unwrap();
        queue.began -= Duration::from_secs(100);
        queue.push(1, "late").unwrap();
        assert_eq!(queue.pop(), Some((100, "long")));
    }

    #[test]
    fn where_there_is_no_room_the_costliest_goes_for_the_cheap_only() {
        let mut queue = queue(2);
        let (turn, _) = queue.push(10, "ten").unwrap();
        queue.push(20, "twenty").unwrap();
        assert_eq!(queue.push(6, "six").unwrap_err().0, "six");
        assert_eq!(queue.push(5, "five").unwrap().1, Some("twenty"));
        let (_, full) = queue.push(5, "another").unwrap_err();
        assert_eq!(full.again, Duration::from_millis(7500));
        // What nobody waits for makes room.
        assert_eq!(queue.remove(turn), Some("ten"));
        assert_eq!(queue.remove(turn), None);
        assert!(queue.has_room() && queue.push(5, "another").is_ok());
    }

    #[test]
    fn a_burst_may_wait_and_what_stands_may_not() {
        let mut queue = queue(8);
        for _ in 0..4 {
            assert!(queue.takes_in(1).is_ok());
            queue.push(1, "").unwrap();
        }
        queue.idle -= BURST * 2;
        // Four seconds of work for two threads.
        assert_eq!(queue.takes_in(1), Err(Full { again: Duration::from_secs(2) }));
        assert!(queue.takes_in(3).is_ok(), "it waits less than it takes");
        while queue.pop().is_some() {}
        assert!(queue.takes_in(1).is_ok(), "nothing waits any more");
    }

    #[test]
    fn the_pace_follows_what_is_measured() {
        let mut queue = queue(2);
        for _ in 0..100 {
            queue.push(10, "").unwrap();
            let (cost, _) = queue.pop().unwrap();
            queue.ended(cost, Duration::from_secs(20));
        }
        queue.push(10, "").unwrap();
        assert!(queue.wait() > Duration::from_millis(9900), "{:?}", queue.wait());
    }
}
