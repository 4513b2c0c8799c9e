//! How the probability of error is shared out.

use serde::{Deserialize, Serialize};

/// The probabilities of error that a verdict may spend in one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorBudget {
    /// Of rolling a candidate back that is no worse: shared by all metrics that may roll back.
    pub rollback: f64,
    /// Of calling a candidate not worse that is worse by the margin: each metric may spend it in
    /// full, since all must pass (an intersection-union test: Schultzberg, Ankargren and
    /// Frånberg, "Risk-aware product decisions in A/B tests with multiple metrics", 2024,
    /// arXiv 2402.11609).
    pub promote: f64,
}

impl Default for ErrorBudget {
    fn default() -> ErrorBudget {
        ErrorBudget { rollback: 0.05, promote: 0.05 }
    }
}

impl ErrorBudget {
    /// What attempt `attempt` (from 0) may spend: half of the one before, so that trying again
    /// often enough does not pass by luck.
    #[must_use]
    pub fn of_attempt(self, attempt: u32) -> ErrorBudget {
        let halved = 0.5_f64.powi(i32::try_from(attempt.min(500)).unwrap_or(500));
        ErrorBudget { rollback: self.rollback * halved, promote: self.promote * halved }
    }

    /// The evidence, as `ln E`, at which one of `metrics` that may roll back does so.
    pub fn ln_rollback(self, metrics: usize) -> f64 {
        -(self.rollback / metrics.max(1) as f64).ln()
    }

    /// The evidence, as `ln E`, at which a metric counts as not worse.
    pub fn ln_promote(self) -> f64 {
        -self.promote.ln()
    }
}

/// What look `look` (from 1) of a test for a fixed number of observations may spend, so that all
/// looks together spend `alpha`: `6 alpha / (π² look²)`.
pub fn spend(alpha: f64, look: u64) -> f64 {
    let look = look.max(1) as f64;
    alpha * 6.0 / (std::f64::consts::PI * look).powi(2)
}
