//! How often what takes long is done.

use std::time::Duration;

/// What is done again and again is not done for more than such a part of the time.
const PART: u32 = 20;

/// How long what took so long is left alone, when it is to be done so often.
pub(crate) fn paced(every: Duration, took: Duration) -> Duration {
    every.max(took.saturating_mul(PART))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_done_less_often() {
        let second = Duration::from_secs(1);
        assert_eq!(paced(30 * second, second), 30 * second);
        assert_eq!(paced(30 * second, 60 * second), 1200 * second);
        assert_eq!(paced(30 * second, Duration::MAX), Duration::MAX);
    }
}
