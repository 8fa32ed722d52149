//! How threads give way to each other where there is more to do than there are cores.

/// How readily a thread that computes gives way to all others.
#[derive(Clone, Copy)]
pub(crate) enum Gives {
    /// To connections: whoever is refused, or cancels, should not wait for those who are served.
    Little = 5,
    /// To answers as well.
    Much = 10,
}

impl Gives {
    /// Of this thread. Where it can't be had, others wait longer, and that is all.
    pub(crate) fn apply(self) {
        take_turns();
        // On Linux this is of the thread, not of the process.
        let _ = rustix::process::setpriority_process(None, self as i32);
    }
}

/// For all threads that serve; of the runtime's, `on_thread_start` of its builder. A thread that something arrives for takes the
/// next turn, within milliseconds, and does not interrupt the one that computes. Interrupted for each of hundreds of refusals a
/// second, that one would find its caches cold each time.
pub fn take_turns() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::unix::{set_thread_priority_and_policy, thread_native_id};
        use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy};

        let batch = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
        // Of 0 to 99, 48 is nice 0, as threads begin. Where policy or niceness can't be had, they stay as they are.
        if let Ok(usual) = ThreadPriorityValue::try_from(48) {
            let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(usual), batch);
        }
    }
}
