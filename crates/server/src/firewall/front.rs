//! The firewall that a provider puts in front of a host: the same openings once more.

use std::sync::Arc;

use base::HostName;
use providers::{Opening, ProviderError, VpsProvider};
use wire::FirewallRule;

use crate::{hosts::Server, providers::Providers};

/// The firewall in front of one host.
pub(super) struct FrontFirewall {
    provider: Arc<dyn VpsProvider>,
    host: HostName,
}

impl FrontFirewall {
    /// That of a server; none where its provider has no such thing.
    pub fn of(providers: &Providers, server: &Server) -> Option<Self> {
        let provider = providers.get(&server.provider).ok()?;
        provider.capabilities().firewall.then(|| Self { provider, host: server.name.clone() })
    }

    /// What it lets in; none while everything passes.
    pub async fn present(&self) -> Result<Option<Vec<Opening>>, ProviderError> {
        self.provider.firewall(&self.host).await
    }

    /// Lets these in and no others.
    pub async fn set(&self, openings: &[Opening]) -> Result<(), ProviderError> {
        self.provider.set_firewall(&self.host, openings).await
    }

    /// The openings that these rules are. A limit on tries is the host's own affair.
    pub fn wanted(&self, rules: &[FirewallRule]) -> Result<Vec<Opening>, String> {
        let opening = |rule: &FirewallRule| {
            let address = || rule.source.parse::<std::net::IpAddr>().map(Into::into);
            let source = rule.source.parse().or_else(|_| address());
            let source = source.map_err(|_| format!("`{}` is no network", rule.source))?;
            Ok(Opening { port: rule.purpose.port(), source })
        };
        let openings: Vec<Opening> = rules.iter().map(opening).collect::<Result<_, String>>()?;
        Ok(union(&openings, &[]))
    }
}

/// What either lets in, sorted.
pub(super) fn union(one: &[Opening], other: &[Opening]) -> Vec<Opening> {
    let mut all = [one, other].concat();
    all.sort_unstable();
    all.dedup();
    all
}
