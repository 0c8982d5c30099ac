//! VPS providers by name.

use std::{collections::BTreeMap, sync::Arc};

use base::Problem;
use providers::{ProviderError, VpsProvider};

/// The configured providers.
#[derive(Clone, Default)]
pub struct Providers(BTreeMap<&'static str, Arc<dyn VpsProvider>>);

impl Providers {
    /// These providers.
    pub fn new(all: Vec<Arc<dyn VpsProvider>>) -> Self {
        Self(all.into_iter().map(|provider| (provider.name(), provider)).collect())
    }

    /// The provider of this name.
    pub fn get(&self, name: &str) -> Result<Arc<dyn VpsProvider>, Problem> {
        self.0.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(|name| format!("`{name}`")).collect();
            let problem = Problem::new("provider.unknown", format!("there is no provider `{name}`"));
            if known.is_empty() {
                problem.found("none is set up").next("run `holdfast up` as root to have the local lab")
            } else {
                problem.next(format!("known are {}", known.join(", ")))
            }
        })
    }
}

/// What a provider's refusal looks like to a person.
pub fn provider_problem(what: &str, error: &ProviderError) -> Problem {
    let mut found = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        found = format!("{found}: {inner}");
        cause = inner.source();
    }
    tracing::warn!(fault = %found, what, "a provider failed");
    Problem::new("provider.failed", format!("could not {what}")).found(found)
}
