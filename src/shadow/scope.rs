//! Knowing that a call is a shadow's, and at whose expense.
//!
//! A model may serve live requests and run in the shadow of others at the same time. Where the two
//! would meet (in a batch, a session, a loader) the model asks here which of them it is, and keeps
//! them apart.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};
#[cfg(feature = "async")]
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::budget::Account;
use crate::clock::Clock;
#[cfg(feature = "async")]
use crate::cpu_time;

thread_local! {
    /// Apart from [`ACCOUNT`], so that a live request reads one flag and registers no destructor.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static ACCOUNT: RefCell<Option<AccountHandle>> = const { RefCell::new(None) };
}

/// Whether the calling code runs for a shadow, not for the answer of a live request.
///
/// For models that hold something which calls take in turn, a lock say: what a shadow holds, a live
/// request waits for. Such a model can give shadows a copy of their own. The models of this crate do
/// so: see [`Batched`](crate::model::Batched) and [`LazyModel`](crate::model::LazyModel).
///
/// It holds on the thread (or, for async models, in the polls) of the shadow's call; threads that
/// the model starts do not know of it.
///
/// ```
/// use modelgate::{ModelError, model_fn, shadow};
///
/// let model = model_fn(|row: &[f32]| match shadow::is_shadow() {
///     true => Ok::<_, ModelError>(row.iter().sum::<f32>()), // with a buffer of its own, say
///     false => Ok(row.iter().sum::<f32>()),
/// });
/// # let _ = model;
/// assert!(!shadow::is_shadow());
/// ```
#[inline]
pub fn is_shadow() -> bool {
    INSIDE.with(Cell::get)
}

/// The budget that a shadow's work is charged to, for work done elsewhere than on its thread.
#[derive(Clone)]
pub(crate) struct AccountHandle {
    account: Arc<Account>,
    clock: Arc<dyn Clock>,
}

impl AccountHandle {
    pub(super) fn new(account: &Arc<Account>, clock: &Arc<dyn Clock>) -> AccountHandle {
        AccountHandle { account: Arc::clone(account), clock: Arc::clone(clock) }
    }

    /// Takes processor time that was used for the shadow.
    #[cfg_attr(not(feature = "async"), expect(dead_code, reason = "only futures run elsewhere"))]
    pub(crate) fn charge(&self, used: Duration) {
        self.account.charge(used, self.clock.monotonic());
    }

    /// The account of the shadow that this thread runs for just now.
    #[cfg_attr(not(feature = "async"), expect(dead_code, reason = "only futures run elsewhere"))]
    pub(crate) fn of_this_thread() -> Option<AccountHandle> {
        match is_shadow() {
            true => ACCOUNT.with(|current| current.try_borrow().ok()?.clone()),
            false => None,
        }
    }
}

/// While this lives, the calling thread runs for a shadow.
#[must_use]
pub(crate) struct ShadowScope {
    before: bool,
    paid: Option<AccountHandle>,
}

impl ShadowScope {
    /// `account` is `None` where no budget applies.
    pub(crate) fn enter(account: Option<AccountHandle>) -> ShadowScope {
        let paid = ACCOUNT
            .with(|current| current.try_borrow_mut().map_or(None, |mut current| current.take()));
        ACCOUNT.with(|current| {
            if let Ok(mut current) = current.try_borrow_mut() {
                *current = account;
            }
        });
        ShadowScope { before: INSIDE.with(|inside| inside.replace(true)), paid }
    }
}

impl Drop for ShadowScope {
    fn drop(&mut self) {
        INSIDE.with(|inside| inside.set(self.before));
        let paid = self.paid.take();
        // Where the thread is at its end there is nothing to put back.
        let _ = ACCOUNT.try_with(|current| {
            if let Ok(mut current) = current.try_borrow_mut() {
                *current = paid;
            }
        });
    }
}

/// A future that runs for a shadow: in each of its polls, and when it is dropped.
#[cfg(feature = "async")]
pub(crate) struct Marked<F> {
    future: Option<Pin<Box<F>>>,
    /// Who pays for the processor time of the polls; `None` where no budget applies.
    account: Option<AccountHandle>,
}

#[cfg(feature = "async")]
impl<F: Future> Marked<F> {
    pub(crate) fn new(future: F, account: Option<AccountHandle>) -> Marked<F> {
        Marked { future: Some(Box::pin(future)), account }
    }
}

#[cfg(feature = "async")]
impl<F: Future> Future for Marked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let before = self.account.as_ref().map(|_| cpu_time::to_charge());
        let polled = {
            let _inside = ShadowScope::enter(self.account.clone());
            self.future.as_mut().map_or(Poll::Pending, |future| future.as_mut().poll(context))
        };
        if let (Some(account), Some(before)) = (&self.account, before) {
            account.charge(cpu_time::to_charge().saturating_sub(before));
        }
        polled
    }
}

#[cfg(feature = "async")]
impl<F> Drop for Marked<F> {
    fn drop(&mut self) {
        let _inside = ShadowScope::enter(self.account.take());
        self.future = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_a_shadow_s_only_inside() {
        assert!(!is_shadow());
        {
            let _outer = ShadowScope::enter(None);
            assert!(is_shadow());
            {
                let _inner = ShadowScope::enter(None);
                assert!(is_shadow());
            }
            assert!(is_shadow());
            assert!(!std::thread::spawn(is_shadow).join().unwrap());
        }
        assert!(!is_shadow());
    }

    #[cfg(feature = "async")]
    #[test]
    fn a_marked_future_is_a_shadow_s_in_its_polls_and_when_it_is_dropped() {
        use std::sync::atomic::{AtomicBool, Ordering};

        struct Looks(Arc<AtomicBool>);
        impl Drop for Looks {
            fn drop(&mut self) {
                self.0.store(is_shadow(), Ordering::SeqCst);
            }
        }
        let dropped_inside = Arc::new(AtomicBool::new(false));
        let looks = Looks(Arc::clone(&dropped_inside));
        let mut polls = 0;
        let future = std::future::poll_fn(move |context| {
            let _moved_in = &looks;
            polls += 1;
            context.waker().wake_by_ref();
            if polls == 3 { Poll::Ready(is_shadow()) } else { Poll::Pending }
        });
        let mut marked = Marked::new(future, None);
        assert!(futures::executor::block_on(&mut marked));
        assert!(!is_shadow());
        drop(marked);
        assert!(dropped_inside.load(Ordering::SeqCst) && !is_shadow());
    }
}
