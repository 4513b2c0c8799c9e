//! How the probability of error is divided among metrics, attempts and looks.

use serde::{Deserialize, Serialize};

/// The probabilities of error that a verdict may spend in one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorBudget {
    /// Of rolling back a candidate that is no worse. Divided evenly among the metrics that may roll
    /// back (Bonferroni).
    pub rollback: f64,
    /// Of calling a candidate not worse when it is worse by the margin: each metric may spend it in
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
    /// What attempt `attempt` (from 0) may spend: half of what the one before might, so that all
    /// attempts together spend at most twice the budget, however many there are.
    #[must_use]
    pub fn of_attempt(self, attempt: u32) -> ErrorBudget {
        // From 500 on the budget stays where it is, well above the smallest number whose logarithm
        // is finite.
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

/// What look number `look` (from 1) at a fixed-sample test may spend so that all looks together
/// spend `alpha`: `6 alpha / (π² look²)`, since the sum of `1 / k²` is `π² / 6`.
pub fn spend(alpha: f64, look: u64) -> f64 {
    let look = look.max(1) as f64;
    alpha * 6.0 / (std::f64::consts::PI * look).powi(2)
}
