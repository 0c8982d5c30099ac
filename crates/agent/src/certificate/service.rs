//! The services that show a certificate: how each is reloaded without dropping a connection,
//! and where it shows what.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::time::Instant;
use wire::{ServedProof, TlsService};

use super::served::{self, Opening};
use crate::{daemon::chain, observe, tool::Tool};

/// How long a reload may take until the new certificate is shown: both services start new
/// processes and let the old ones end by themselves.
const RELOAD: Duration = Duration::from_secs(20);
/// The first pause between two looks, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

struct Shown {
    unit: &'static str,
    port: u16,
    opening: Opening,
}

/// The unit names are Debian's; `postgresql.service` passes a reload on to every cluster.
fn shown(service: TlsService) -> Option<Shown> {
    match service {
        TlsService::Nginx => Some(Shown { unit: "nginx.service", port: 443, opening: Opening::AtOnce }),
        TlsService::Postgresql => {
            Some(Shown { unit: "postgresql.service", port: 5432, opening: Opening::Postgresql })
        }
        TlsService::None => None,
    }
}

fn here(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// What the service shows now, compared with this serial number.
pub(super) async fn look(service: TlsService, name: &str, serial: &str) -> ServedProof {
    let Some(shown) = shown(service) else { return ServedProof::NoService };
    if !observe::unit_is_active(shown.unit).await.unwrap_or(false) {
        return ServedProof::NotRunning;
    }
    match served::serial(here(shown.port), shown.opening, name).await {
        Ok(found) if found == serial => ServedProof::Served,
        _ => ServedProof::NotServed,
    }
}

/// Has the service read the current pair, and waits until it shows this serial number. One
/// that does not run reads it when it starts. Gives what is wrong otherwise.
pub(super) async fn show(service: TlsService, name: &str, serial: Option<&str>) -> Result<(), String> {
    let (Some(shown), Some(serial)) = (shown(service), serial) else { return Ok(()) };
    let unit = shown.unit;
    if !observe::unit_is_active(unit).await.map_err(|error| chain(&error))? {
        tracing::info!(unit, "not running; it reads the new certificate when it starts");
        return Ok(());
    }
    let reload = Tool::new("/usr/bin/systemctl").args(["reload", unit]).text().await;
    reload.map_err(|error| format!("{unit} could not be reloaded: {}", chain(&error)))?;
    let until = Instant::now() + RELOAD;
    let mut pause = FIRST_PAUSE;
    loop {
        let found = served::serial(here(shown.port), shown.opening, name).await;
        if found.as_deref().is_ok_and(|found| found == serial) {
            return Ok(());
        }
        if Instant::now() + pause > until {
            let found =
                found.map_or_else(|error| format!("nothing ({error})"), |found| format!("serial {found}"));
            return Err(format!(
                "port {} shows {found} after the reload, expected serial {serial}",
                shown.port
            ));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
