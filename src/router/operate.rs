//! What both kinds of router can be asked, and told, besides to predict.
//!
//! A macro, because the two differ in what their handles hold and in nothing else here. It is
//! expanded beside each of them, where the names it uses are in scope.

macro_rules! operations {
    ($router:ident) => {
        impl<F: ?Sized + Input, P: Output> $router<F, P> {
            /// Which version would answer, without asking it. Allocates nothing, and counts no answer;
            /// the flags count it as an evaluation, as they do whoever reads them.
            ///
            /// # Errors
            ///
            /// Only [`PredictError::is_missing_key`].
            pub fn decide(
                &self,
                context: &dyn EvaluationContext,
            ) -> Result<Decision, PredictError> {
                self.inner.core.decide(context)
            }

            /// Which version would answer, and every step that leads there: each rule, each attribute
            /// read, the bucket and its bounds. Allocates; meant for "why did this user get v2".
            ///
            /// # Errors
            ///
            /// Only [`PredictError::is_missing_key`].
            pub fn explain(
                &self,
                context: &dyn EvaluationContext,
            ) -> Result<Explanation, PredictError> {
                self.inner
                    .core
                    .explain(context)
                    .map_err(|MissingKeyError| PredictError::missing_key())
            }

            /// Takes a version out. Flags that still name it are answered by the fallback version.
            ///
            /// # Errors
            ///
            /// When the version is not registered, or is the fallback.
            pub fn retire(&self, version: &str) -> Result<(), OperateError> {
                self.inner.core.retire(version)
            }

            /// Loads a version that was registered [unloaded](crate::model::LazyModel), on the calling thread.
            ///
            /// # Errors
            ///
            /// When the version is not registered, or did not load: a later call tries again.
            pub fn load(&self, version: &str) -> Result<(), OperateError> {
                self.inner.core.load(version)
            }

            /// Sends every request to this version, whatever the flags say, until [`unpin`](Self::unpin).
            ///
            /// It still falls back when the version fails. While a version is pinned, live answers are no
            /// evidence to a [verdict](crate::verdict) or an [autopilot](crate::autopilot): nobody is held
            /// back then, and there is nothing to compare with.
            ///
            /// # Errors
            ///
            /// When the version is not registered.
            pub fn pin(&self, version: &str) -> Result<(), OperateError> {
                self.inner.core.pin(version)
            }

            /// Lets the flags choose again.
            pub fn unpin(&self) {
                self.inner.core.unpin();
            }

            /// Keeps this version from answering, whatever the flags say, until
            /// [`unblock`](Self::unblock).
            ///
            /// # Errors
            ///
            /// When the version is not registered, or is the fallback.
            pub fn block(&self, version: &str) -> Result<(), OperateError> {
                self.inner.core.block(version, true)
            }

            /// Lets a blocked version answer again.
            ///
            /// # Errors
            ///
            /// When the version is not registered.
            pub fn unblock(&self, version: &str) -> Result<(), OperateError> {
                self.inner.core.block(version, false)
            }

            /// The registered versions.
            pub fn versions(&self) -> Vec<Version> {
                self.inner.core.versions()
            }

            /// What has been counted since the router was built.
            pub fn stats(&self) -> RouterStats {
                self.inner.core.stats(self.inner.shadowing.stats())
            }

            /// The flags, to share with other routers and to read other flags from.
            pub fn flags(&self) -> &Flags {
                &self.inner.core.flags
            }

            /// The state of every flag source.
            pub fn status(&self) -> store::Status {
                self.inner.core.flags.status()
            }

            /// Waits until every source has delivered.
            ///
            /// # Errors
            ///
            /// [`NotReadyError`](crate::flag::store::NotReadyError), naming the sources that have not and why, when `timeout` passes first.
            pub fn wait_ready(&self, timeout: Duration) -> Result<(), NotReadyError> {
                self.inner.core.flags.wait_ready(timeout)
            }

            /// Waits until every shadow accepted so far is done and the sinks have written it out.
            /// `false` when `timeout` passes first.
            pub fn flush(&self, timeout: Duration) -> bool {
                self.inner.shadowing.flush(timeout)
            }
        }
    };
}
pub(super) use operations;
