//! Dying on purpose, so that trials on real hosts can kill this process at an exact
//! moment of a run. Only in builds with debug assertions; a release build has no such
//! switch.

use std::sync::Arc;

use runs::{Hooks, NoHooks};

/// What the environment asks for: `HOLDFAST_DIE_AT=install_packages:after_effect` kills
/// this process with SIGKILL at that moment, as a power cut would.
pub fn from_environment() -> Arc<dyn Hooks> {
    #[cfg(debug_assertions)]
    if let Ok(text) = std::env::var("HOLDFAST_DIE_AT") {
        return Arc::new(switched::DieAt(text));
    }
    Arc::new(NoHooks)
}

#[cfg(debug_assertions)]
mod switched {
    use runs::{Hooks, Moment, RunRecord, Verdict, trial::Point};

    pub struct DieAt(pub String);

    impl Hooks for DieAt {
        fn at(&self, moment: Moment, run: &RunRecord) -> Verdict {
            let point = Point::of(moment, run);
            if self.0 == format!("{}:{}", point.place, moment.name()) {
                let own = nix::unistd::getpid();
                // Nothing is flushed and nothing is said: that is the point.
                let _ = nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL);
            }
            Verdict::GoOn
        }
    }
}
