//! What waits for a thread: bounded by the time it will take, short work first, nothing for ever.
//!
//! A queue is for bursts. One that stands holds nothing but delay: when work has waited too long for a while, only that is taken
//! in which waits little, and what has waited longer goes. It is the time in the queue that is bounded and not its length, and
//! a queue that just drained has no burst to its credit, as in Nichols and Jacobson, "Controlling Queue Delay" (2012), section 4.
//!
//! Work ranks by when it came plus how long it will take. So what takes 10 ms overtakes what takes a second and came up to a
//! second before, and what takes long is overtaken for no longer than it takes itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How fast estimates follow what was measured.
const FOLLOW: f64 = 0.1;
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
    came: Instant,
    /// It waits as long as it must, and makes room for nobody.
    patient: bool,
    work: T,
}

/// Why there is no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full {
    /// When there may be.
    pub(super) again: Duration,
}

/// What a thread is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    Begin {
        cost: u64,
        work: T,
    },
    /// It has waited too long.
    Refuse {
        again: Duration,
        work: T,
    },
}

pub(super) struct Queue<T> {
    began: Instant,
    threads: u32,
    most: usize,
    waiting: BTreeMap<Turn, Waiting<T>>,
    next: u64,
    /// Cost of what runs.
    runs: u64,
    /// Seconds that one unit of cost takes, and that work takes as a rule, as measured; 0 before anything was.
    pace: f64,
    usual: f64,
    crowd: Crowd,
}

impl<T> Queue<T> {
    /// A queue for so many threads, in which at most so much waits. Work may wait long for bursts of so much time; without it,
    /// as long as it likes.
    pub(super) fn new(threads: usize, most: usize, burst: Option<Duration>) -> Self {
        let began = Instant::now();
        Self {
            began,
            threads: u32::try_from(threads.max(1)).unwrap_or(u32::MAX),
            most,
            waiting: BTreeMap::new(),
            next: 0,
            runs: 0,
            pace: 0.0,
            usual: 0.0,
            crowd: Crowd { burst, stood: Duration::ZERO, long: false, at: began },
        }
    }

    /// How long work of this cost takes, alone.
    fn takes(&self, cost: u64) -> Duration {
        Duration::try_from_secs_f64(cost as f64 * self.pace).unwrap_or(Duration::MAX)
    }

    /// Work of this cost waits long when it waits a quarter longer than it takes, or than work takes here as a rule.
    fn may_wait(&self, cost: u64) -> Duration {
        let usual = Duration::try_from_secs_f64(self.usual).unwrap_or(Duration::MAX);
        let takes = self.takes(cost).max(usual);
        takes.saturating_add(takes / 4)
    }

    /// The place of work of this cost that comes now.
    fn turn(&self, cost: u64) -> Turn {
        Turn { rank: self.began.elapsed().saturating_add(self.takes(cost)), number: self.next }
    }

    /// How long it is until work of this cost that comes now is begun, if nothing shorter comes.
    pub(super) fn wait(&self, cost: u64) -> Duration {
        let before = self.waiting.range(..self.turn(cost)).map(|(_, w)| w.cost);
        self.takes(before.fold(self.runs / 2, u64::saturating_add)) / self.threads
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < self.most
    }

    /// Takes in work that is refused where it would wait too long. Where there is no room, the costliest work makes room if it
    /// is much costlier, and is given back.
    pub(super) fn push(&mut self, cost: u64, work: T) -> Result<(Turn, Option<T>), (T, Full)> {
        let cost = cost.max(1);
        let again = self.wait(cost);
        let long = !self.is_empty() && again > self.may_wait(cost);
        if self.stands(long) && long {
            return Err((work, Full { again }));
        }
        let mut gone = None;
        if !self.has_room() {
            let hasty = self.waiting.iter().filter(|(_, w)| !w.patient);
            let costliest = hasty.max_by_key(|(turn, w)| (w.cost, **turn));
            let costliest = costliest.filter(|(_, w)| w.cost / SHORTER >= cost).map(|(turn, _)| *turn);
            match costliest.and_then(|turn| self.remove(turn)) {
                Some(work) => gone = Some(work),
                None => return Err((work, Full { again })),
            }
        }
        Ok((self.insert(cost, false, work), gone))
    }

    /// Takes in work that waits as long as it must, beyond all bounds: [`Self::has_room`] is to be asked before.
    pub(super) fn push_patient(&mut self, cost: u64, work: T) {
        self.insert(cost.max(1), true, work);
    }

    fn insert(&mut self, cost: u64, patient: bool, work: T) -> Turn {
        let turn = self.turn(cost);
        self.next += 1;
        self.waiting.insert(turn, Waiting { cost, came: Instant::now(), patient, work });
        turn
    }

    /// What is next.
    pub(super) fn pop(&mut self) -> Option<Next<T>> {
        let (_, Waiting { cost, came, patient, work }) = self.waiting.pop_first()?;
        // Estimates err: what was let in with reason is not turned away for a little, nor before anything was measured.
        let measured = self.usual > 0.0;
        let long = measured && !patient && came.elapsed() * 2 / 3 > self.may_wait(cost);
        if self.stands(long && !self.is_empty()) && long {
            return Some(Next::Refuse { again: self.wait(cost), work });
        }
        self.runs = self.runs.saturating_add(cost);
        Some(Next::Begin { cost, work })
    }

    /// Work that nobody waits for any more.
    pub(super) fn remove(&mut self, turn: Turn) -> Option<T> {
        let Waiting { work, .. } = self.waiting.remove(&turn)?;
        if self.is_empty() {
            self.stands(false);
        }
        Some(work)
    }

    /// Whether the queue is no burst any more but stands; from now on work has to wait long, or has not.
    fn stands(&mut self, long: bool) -> bool {
        // A burst may last as long as waiting is usual.
        let burst = self.may_wait(0);
        self.crowd.stands(long, burst)
    }

    /// Work ended after so long.
    pub(super) fn ended(&mut self, cost: u64, took: Duration) {
        self.runs = self.runs.saturating_sub(cost);
        let took = took.as_secs_f64();
        let follow = |known: f64, now: f64| if known == 0.0 { now } else { known + FOLLOW * (now - known) };
        self.pace = follow(self.pace, took / cost as f64);
        self.usual = follow(self.usual, took);
    }
}

/// For how long work has had to wait long, less for how long it has not.
struct Crowd {
    /// Longer than so is no burst; without it, nothing is.
    burst: Option<Duration>,
    stood: Duration,
    /// Whether work had to wait long when that was last looked at.
    long: bool,
    at: Instant,
}

impl Crowd {
    fn stands(&mut self, long: bool, at_least: Duration) -> bool {
        let Some(burst) = self.burst.map(|burst| burst.max(at_least)) else { return false };
        let since = self.at.elapsed();
        self.at += since;
        self.stood =
            if self.long { self.stood + since } else { self.stood.saturating_sub(since) }.min(burst.saturating_mul(2));
        self.long = long;
        self.stood > burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: Duration = Duration::from_secs(100);

    /// A queue for two threads in which a unit of cost takes a second, and work ten as a rule.
    fn queue(most: usize) -> Queue<&'static str> {
        let mut queue = Queue::new(2, most, Some(BURST));
        queue.push(10, "first").unwrap();
        assert_eq!(queue.pop(), Some(Next::Begin { cost: 10, work: "first" }));
        queue.ended(10, Duration::from_secs(10));
        queue
    }

    /// So much time goes by.
    fn later(queue: &mut Queue<&'static str>, seconds: u64) {
        let time = Duration::from_secs(seconds);
        queue.began -= time;
        queue.crowd.at -= time;
        queue.waiting.values_mut().for_each(|w| w.came -= time);
    }

    fn begun(queue: &mut Queue<&'static str>) -> Option<&'static str> {
        match queue.pop()? {
            Next::Begin { work, .. } => Some(work),
            Next::Refuse { .. } => None,
        }
    }

    #[test]
    fn what_is_short_goes_before_what_is_long_and_came_little_earlier() {
        let mut queue = queue(8);
        for (cost, work) in [(100, "long"), (1, "short"), (50, "middle"), (1, "short too")] {
            queue.push(cost, work).unwrap();
        }
        assert_eq!((queue.wait(100), queue.wait(10)), (Duration::from_secs(76), Duration::from_secs(1)));
        let order: Vec<_> = std::iter::from_fn(|| begun(&mut queue)).collect();
        assert_eq!(order, ["short", "short too", "middle", "long"]);
        assert_eq!(queue.wait(1), Duration::from_secs(38), "what runs is half done");
        // Later than the long one would have ended: no overtaking any more.
        queue.push(100, "long").unwrap();
        queue.began -= Duration::from_secs(100);
        queue.push(1, "late").unwrap();
        assert_eq!(begun(&mut queue), Some("long"));
    }

    #[test]
    fn where_there_is_no_room_the_costliest_goes_for_the_cheap_only() {
        let mut queue = queue(3);
        queue.push_patient(500, "patient");
        let (turn, _) = queue.push(10, "ten").unwrap();
        queue.push(20, "twenty").unwrap();
        assert_eq!(queue.push(6, "six").unwrap_err().0, "six");
        assert_eq!(queue.push(5, "five").unwrap().1, Some("twenty"));
        let (_, full) = queue.push(5, "another").unwrap_err();
        assert_eq!(full.again, Duration::from_millis(2500));
        // What nobody waits for makes room.
        assert_eq!(queue.remove(turn), Some("ten"));
        assert_eq!(queue.remove(turn), None);
        assert!(queue.has_room() && queue.push(5, "another").is_ok());
    }

    #[test]
    fn a_burst_may_wait_and_what_stands_may_not() {
        let mut queue = queue(64);
        queue.push_patient(10, "patient");
        for _ in 0..16 {
            queue.push(10, "burst").unwrap();
        }
        later(&mut queue, 101);
        // Eighty seconds of work for each of two threads.
        assert!(matches!(queue.push(10, "more"), Err(("more", Full { again })) if again >= Duration::from_secs(80)));
        assert!(queue.push(1, "short").is_err(), "it would not wait less: what came so long ago goes first");
        assert!(queue.push(100, "long").is_ok(), "it waits little beside what it takes");
        assert_eq!(begun(&mut queue), Some("patient"), "it waits as long as it must");
        assert!(matches!(queue.pop(), Some(Next::Refuse { work: "burst", .. })), "it waited too long");
        while queue.pop().is_some() {}
        // What drained by refusing has no burst to its credit...
        for _ in 0..8 {
            let _ = queue.push(10, "again");
        }
        assert!(queue.push(10, "more").is_err());
        // ... before it has had as much peace.
        while queue.pop().is_some() {}
        later(&mut queue, 101);
        for _ in 0..16 {
            queue.push(10, "burst").unwrap();
        }
    }

    #[test]
    fn what_waits_little_may_stand_for_ever() {
        let mut queue = queue(64);
        for _ in 0..50 {
            while queue.waiting.len() < 2 {
                queue.push(10, "").unwrap();
            }
            later(&mut queue, 10);
            assert!(begun(&mut queue).is_some() && begun(&mut queue).is_some());
            (0..2).for_each(|_| queue.ended(10, Duration::from_secs(10)));
        }
    }

    #[test]
    fn without_a_bound_nothing_is_refused_for_waiting() {
        let mut queue = Queue { crowd: Crowd { burst: None, ..queue(64).crowd }, ..queue(64) };
        for _ in 0..16 {
            queue.push(10, "").unwrap();
            later(&mut queue, 1000);
        }
        assert_eq!(std::iter::from_fn(|| begun(&mut queue)).count(), 16);
    }

    #[test]
    fn the_pace_follows_what_is_measured() {
        let mut queue = queue(2);
        for _ in 0..100 {
            queue.push(10, "").unwrap();
            begun(&mut queue).unwrap();
            queue.ended(10, Duration::from_secs(20));
        }
        queue.push(10, "").unwrap();
        assert!(queue.wait(10) > Duration::from_millis(9900), "{:?}", queue.wait(10));
    }
}
