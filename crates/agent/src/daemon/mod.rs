//! The half that speaks with the network. It is unprivileged, changes nothing on the
//! host but its own identity, and passes typed requests on to the helper.
//!
//! ```text
//! no identity ─► enrol (with back-off) ─► serve
//! ```
//!
//! A connection is judged in this order: source address, rate of failures, client
//! certificate, bearer token, then the request itself.

mod agent;
mod answer;
mod caller;
mod certificate;
mod enrol;
mod gate;
mod identity;
mod listener;
mod pinned;
mod routes;

use std::{net::SocketAddr, sync::Arc, time::Duration};

pub use agent::LocalAgent;
pub use certificate::{AskError, ask};
pub use enrol::{EnrolError, Enroller};
pub use gate::Gate;
pub use identity::{Identities, Identity, IdentityError};
pub use listener::{ListenError, Listener};
pub use routes::router;

use crate::{Places, durable, helper::HelperClient};

/// The longest pause between two attempts to enrol. A control plane that was down for
/// an hour must not wait another hour for its hosts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The bootstrap file holds a certificate and a few short texts.
const BOOTSTRAP_BYTES: u64 = 256 << 10;

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// There is nothing to enrol with.
    #[error(
        "this host has no identity and `{path}` cannot be used to get one: write it anew and restart the service"
    )]
    Bootstrap {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The control plane does not take the token.
    #[error(
        "the control plane refused this host's enrolment; issue a new enrolment token, write it to the bootstrap file and restart the service"
    )]
    Refused {
        /// What it said.
        #[source]
        source: EnrolError,
    },
    /// The identity cannot be read or used.
    #[error("the identity of this host cannot be used")]
    Identity {
        /// What is wrong.
        #[source]
        source: IdentityError,
    },
    /// The port cannot be served.
    #[error("the agent's port cannot be served")]
    Listen {
        /// What the system said.
        #[source]
        source: ListenError,
    },
}

impl DaemonError {
    /// The exit code. systemd does not restart the service after 77 and 78 (sysexits.h:
    /// no permission, configuration), because nothing would be different then.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { .. } => 77,
            Self::Bootstrap { .. } => 78,
            Self::Identity { .. } | Self::Listen { .. } => 1,
        }
    }
}

/// Enrols if needed, then serves for ever.
pub async fn run(places: &Places) -> Result<(), DaemonError> {
    let helper = HelperClient::new(places);
    let identity = match Identity::load(places).map_err(|source| DaemonError::Identity { source })? {
        Some(identity) => identity,
        None => first_identity(places, &helper).await?,
    };
    let server = identity.server;
    let identities = Identities::new(places, identity).map_err(|source| DaemonError::Identity { source })?;
    let identities = Arc::new(identities);
    let gate = Arc::new(Gate::default());
    let agent = LocalAgent::new(helper, identities.clone());
    let port = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, wire::limits::PORT));
    let listener = Listener::bind(port, identities.clone(), gate.clone())
        .await
        .map_err(|source| DaemonError::Listen { source })?;
    tracing::info!(%server, port = wire::limits::PORT, "serving the control plane");
    listener.serve(router(Arc::new(agent), identities, gate)).await;
    Ok(())
}

async fn first_identity(places: &Places, helper: &HelperClient) -> Result<Identity, DaemonError> {
    let path = places.bootstrap().display().to_string();
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| DaemonError::Bootstrap {
        path: path.clone(),
        source,
    };
    let bytes =
        durable::read_bounded(places.bootstrap(), BOOTSTRAP_BYTES).map_err(|error| unusable(error.into()))?;
    let bootstrap: wire::Bootstrap =
        serde_json::from_slice(&bytes).map_err(|error| unusable(error.into()))?;
    if bootstrap.token.is_empty() {
        return Err(unusable("its token was used before".into()));
    }
    let enroller = Enroller::new(&bootstrap).map_err(|error| unusable(error.into()))?;
    let token = base::Redacted::new(bootstrap.token);
    let mut pause = Duration::from_secs(1);
    let identity = loop {
        match enroller.enrol(&token).await {
            Ok(identity) => break identity,
            Err(error) if error.retryable() => {
                tracing::warn!(error = %chain(&error), seconds = pause.as_secs(), "cannot enrol yet, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(source) => return Err(DaemonError::Refused { source }),
        }
    };
    identity.store(places).map_err(|source| DaemonError::Identity { source })?;
    tracing::info!(server = %identity.server, "enrolled");
    // The token is dead already; that its text stays on the disk is untidy, not unsafe.
    if let Err(error) = helper.forget_token().await {
        tracing::warn!(error = %chain(&error), "the used token could not be blanked");
    }
    Ok(identity)
}

/// An error and what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
