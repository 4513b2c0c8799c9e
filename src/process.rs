//! Knowing a forked child.
//!
//! A child of `fork` has the memory of its parent and none of its threads: whoever waits for one of
//! them waits for ever, and so does whoever takes a lock that one of them held. So what needs our
//! threads asks first whether it is still at home.

/// The process in which something was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnerProcess(u32);

impl OwnerProcess {
    pub(crate) fn current() -> OwnerProcess {
        OwnerProcess(std::process::id())
    }

    /// `false` in a child that was forked since. One system call.
    pub(crate) fn is_current(self) -> bool {
        self.0 == std::process::id()
    }
}
