//! Errors of an experiment.

use splitcost_model::split::StackName;

/// Error of an experiment; its message completes "failed to …".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A process could not be run, or a measurement failed.
    #[error(transparent)]
    Lab(#[from] splitcost_lab::Error),
    /// The recording or the calibration does not suffice for a prediction.
    #[error("predict the split: {0}")]
    Simulation(splitcost_sim::estimate::Error),
    /// The fault needs a connection pool, and the split's stack has none.
    #[error(
        "exhaust the connection pool of split {split}: over {} all calls to a service share one connection",
        .stack.name()
    )]
    NoPool {
        /// Name of the split.
        split: String,
        /// Its stack.
        stack: StackName,
    },
    /// The experiment rehearses, and there is no workload.
    #[error("rehearse: the settings have no workload")]
    NoWorkload,
}

impl From<splitcost_sim::estimate::Error> for Error {
    fn from(error: splitcost_sim::estimate::Error) -> Self {
        match error {
            splitcost_sim::estimate::Error::Stopped => Self::Lab(splitcost_lab::Error::Cancelled),
            error => Self::Simulation(error),
        }
    }
}

impl Error {
    /// Sentences that say what helps.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Lab(error) => error.hints(),
            Self::NoPool { .. } => vec!["`--fault brown-out` makes calls wait as long".to_owned()],
            Self::NoWorkload => vec!["add requests under [[workload.requests]] in splitcost.toml".to_owned()],
            Self::Simulation(_) => Vec::new(),
        }
    }
}

/// Result of an experiment's step.
pub type Result<T> = std::result::Result<T, Error>;
