//! A VPS provider whose hosts are simulated ones.
//!
//! It keeps the contract of every driver: a repeated request finds what the first one
//! made. It can refuse to answer before an effect, or lose its answer after one.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use base::{Clock, HostName};
use jiff::Timestamp;
use providers::{
    Capabilities, Host, HostSpec, HostState, Opening, ProviderError, Snapshot, SnapshotName, VpsProvider,
};

use crate::{DiskImage, HostBuilder, SimulatedHost};

/// The calls that change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProviderCall {
    /// A host is created.
    Create,
    /// A host is powered on.
    Start,
    /// A host is shut down.
    Stop,
    /// A host is reset.
    Reboot,
    /// A snapshot is taken.
    TakeSnapshot,
    /// A snapshot is put back.
    Restore,
    /// A snapshot is deleted.
    DeleteSnapshot,
    /// The firewall in front of a host is set.
    SetFirewall,
    /// A host is deleted.
    Destroy,
}

/// What really happened, however often it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderEffects {
    /// Hosts made.
    pub creates: u32,
    /// Snapshots taken.
    pub snapshots: u32,
    /// Snapshots put back.
    pub restores: u32,
    /// Snapshots deleted.
    pub deleted_snapshots: u32,
    /// Hosts deleted.
    pub destroys: u32,
}

/// A provider in the same process.
pub struct SimulatedProvider {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    capabilities: Capabilities,
    hosts: BTreeMap<HostName, Owned>,
    addresses_given: u8,
    unavailable: BTreeMap<ProviderCall, u32>,
    answers_lost: BTreeMap<ProviderCall, u32>,
    effects: ProviderEffects,
}

struct Owned {
    machine: Arc<SimulatedHost>,
    ipv4: Ipv4Addr,
    ipv6: Ipv6Addr,
    created_at: Timestamp,
    user_data: String,
    openings: Option<Vec<Opening>>,
    snapshots: Vec<(Snapshot, DiskImage)>,
}

impl SimulatedProvider {
    /// A provider with snapshots and restore in place, and no hosts.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State {
            capabilities: Capabilities { snapshots: true, restore_in_place: true, firewall: true },
            hosts: BTreeMap::new(),
            addresses_given: 0,
            unavailable: BTreeMap::new(),
            answers_lost: BTreeMap::new(),
            effects: ProviderEffects::default(),
        };
        Self { clock, state: Mutex::new(state) }
    }

    /// Changes what it can do. Calls beyond that are refused.
    pub fn set_capabilities(&self, capabilities: Capabilities) {
        self.lock().capabilities = capabilities;
    }

    /// Takes in a host that a test has built. It replaces one of the same name.
    pub fn adopt(&self, machine: Arc<SimulatedHost>) {
        let now = self.clock.now();
        self.lock().take_in(machine, String::new(), now);
    }

    /// The machine behind a host.
    pub fn machine(&self, name: &HostName) -> Option<Arc<SimulatedHost>> {
        self.lock().hosts.get(name).map(|owned| Arc::clone(&owned.machine))
    }

    /// The user-data a host was created with.
    pub fn user_data(&self, name: &HostName) -> Option<String> {
        self.lock().hosts.get(name).map(|owned| owned.user_data.clone())
    }

    /// Has the next so many calls of this kind do nothing and be `Unavailable`.
    pub fn fail(&self, call: ProviderCall, times: u32) {
        self.lock().unavailable.insert(call, times);
    }

    /// Has the next call of this kind take effect and its answer be lost.
    pub fn lose_answer(&self, call: ProviderCall) {
        self.lock().answers_lost.insert(call, 1);
    }

    /// What really happened.
    pub fn effects(&self) -> ProviderEffects {
        self.lock().effects.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a call that changes something, between the two places where it can go wrong.
    fn change<T>(
        &self,
        call: ProviderCall,
        action: String,
        effect: impl FnOnce(&mut State) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let mut state = self.lock();
        if used_up(&mut state.unavailable, call) {
            return Err(ProviderError::Unavailable { action, found: "503 Service Unavailable".to_owned() });
        }
        let answer = effect(&mut state)?;
        if used_up(&mut state.answers_lost, call) {
            return Err(ProviderError::Unavailable { action, found: "the connection closed".to_owned() });
        }
        Ok(answer)
    }
}

fn used_up(waiting: &mut BTreeMap<ProviderCall, u32>, call: ProviderCall) -> bool {
    match waiting.get_mut(&call) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

impl State {
    fn take_in(&mut self, machine: Arc<SimulatedHost>, user_data: String, now: Timestamp) {
        self.addresses_given = self.addresses_given.wrapping_add(1);
        let last = self.addresses_given;
        let owned = Owned {
            // RFC 5737 and RFC 3849: addresses that documentation may use.
            ipv4: Ipv4Addr::new(192, 0, 2, last),
            ipv6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)),
            created_at: now,
            user_data,
            openings: None,
            snapshots: Vec::new(),
            machine,
        };
        self.hosts.insert(owned.machine.name().clone(), owned);
    }

    fn owned(&mut self, name: &HostName) -> Result<&mut Owned, ProviderError> {
        self.hosts
            .get_mut(name)
            .ok_or_else(|| ProviderError::NotFound { kind: "host", name: name.to_string() })
    }
}

impl Owned {
    fn host(&self) -> Host {
        Host {
            name: self.machine.name().clone(),
            release: self.machine.release(),
            ipv4: self.ipv4,
            ipv6: self.ipv6,
            state: if self.machine.is_powered() { HostState::Running } else { HostState::Stopped },
            created_at: self.created_at,
        }
    }
}

fn refused(action: String, reason: &str) -> ProviderError {
    ProviderError::Refused { action, reason: reason.to_owned() }
}

#[async_trait]
impl VpsProvider for SimulatedProvider {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn capabilities(&self) -> Capabilities {
        self.lock().capabilities
    }

    async fn create(&self, spec: &HostSpec) -> Result<Host, ProviderError> {
        let action = format!("create `{}`", spec.name);
        self.change(ProviderCall::Create, action.clone(), |state| {
            if let Some(owned) = state.hosts.get(&spec.name) {
                if owned.machine.release() != spec.release {
                    return Err(refused(action, "a host of that name has another release"));
                }
                return Ok(owned.host());
            }
            let builder = HostBuilder::debian12(spec.name.as_str()).release(spec.release);
            state.take_in(builder.boot(Arc::clone(&self.clock)), spec.user_data.clone(), self.clock.now());
            state.effects.creates += 1;
            Ok(state.owned(&spec.name)?.host())
        })
    }

    async fn find(&self, name: &HostName) -> Result<Option<Host>, ProviderError> {
        Ok(self.lock().hosts.get(name).map(Owned::host))
    }

    async fn list(&self) -> Result<Vec<Host>, ProviderError> {
        Ok(self.lock().hosts.values().map(Owned::host).collect())
    }

    async fn start(&self, name: &HostName) -> Result<(), ProviderError> {
        self.change(ProviderCall::Start, format!("start `{name}`"), |state| {
            state.owned(name)?.machine.power_on();
            Ok(())
        })
    }

    async fn stop(&self, name: &HostName) -> Result<(), ProviderError> {
        self.change(ProviderCall::Stop, format!("stop `{name}`"), |state| {
            state.owned(name)?.machine.power_off();
            Ok(())
        })
    }

    async fn reboot(&self, name: &HostName) -> Result<(), ProviderError> {
        self.change(ProviderCall::Reboot, format!("reboot `{name}`"), |state| {
            state.owned(name)?.machine.reset();
            Ok(())
        })
    }

    async fn take_snapshot(&self, host: &HostName, name: &SnapshotName) -> Result<Snapshot, ProviderError> {
        let action = format!("take snapshot `{name}` of `{host}`");
        self.change(ProviderCall::TakeSnapshot, action.clone(), |state| {
            if !state.capabilities.snapshots {
                return Err(refused(action, "this provider has no snapshots"));
            }
            let now = self.clock.now();
            let owned = state.owned(host)?;
            if let Some((snapshot, _)) = owned.snapshots.iter().find(|(s, _)| s.name == *name) {
                return Ok(snapshot.clone());
            }
            let snapshot = Snapshot { host: host.clone(), name: name.clone(), taken_at: now };
            owned.snapshots.push((snapshot.clone(), owned.machine.capture()));
            state.effects.snapshots += 1;
            Ok(snapshot)
        })
    }

    async fn snapshots(&self, host: &HostName) -> Result<Vec<Snapshot>, ProviderError> {
        Ok(self.lock().owned(host)?.snapshots.iter().map(|(snapshot, _)| snapshot.clone()).collect())
    }

    async fn restore(&self, host: &HostName, name: &SnapshotName) -> Result<Host, ProviderError> {
        let action = format!("restore `{host}` from `{name}`");
        self.change(ProviderCall::Restore, action.clone(), |state| {
            if !state.capabilities.restore_in_place {
                return Err(refused(action, "this provider cannot restore in place"));
            }
            let owned = state.owned(host)?;
            let Some((_, image)) = owned.snapshots.iter().find(|(s, _)| s.name == *name) else {
                return Err(ProviderError::NotFound { kind: "snapshot", name: name.to_string() });
            };
            owned.machine.put_back(image);
            let restored = owned.host();
            state.effects.restores += 1;
            Ok(restored)
        })
    }

    async fn delete_snapshot(&self, host: &HostName, name: &SnapshotName) -> Result<(), ProviderError> {
        let action = format!("delete snapshot `{name}` of `{host}`");
        self.change(ProviderCall::DeleteSnapshot, action, |state| {
            let Ok(owned) = state.owned(host) else { return Ok(()) };
            let before = owned.snapshots.len();
            owned.snapshots.retain(|(snapshot, _)| snapshot.name != *name);
            let gone = before - owned.snapshots.len();
            state.effects.deleted_snapshots += gone as u32;
            Ok(())
        })
    }

    async fn firewall(&self, host: &HostName) -> Result<Option<Vec<Opening>>, ProviderError> {
        Ok(self.lock().owned(host)?.openings.clone())
    }

    async fn set_firewall(&self, host: &HostName, openings: &[Opening]) -> Result<(), ProviderError> {
        self.change(ProviderCall::SetFirewall, format!("set the firewall of `{host}`"), |state| {
            state.owned(host)?.openings = Some(openings.to_vec());
            Ok(())
        })
    }

    async fn destroy(&self, name: &HostName) -> Result<(), ProviderError> {
        self.change(ProviderCall::Destroy, format!("destroy `{name}`"), |state| {
            if let Some(owned) = state.hosts.remove(name) {
                owned.machine.power_off();
                state.effects.destroys += 1;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use base::Release;
    use wire::AgentApi;

    use super::*;
    use crate::FakeClock;

    fn provider() -> (SimulatedProvider, HostName) {
        let provider = SimulatedProvider::new(Arc::new(FakeClock::default()));
        (provider, "web-3".parse().expect("a host name"))
    }

    fn spec(name: &HostName) -> HostSpec {
        HostSpec { name: name.clone(), release: Release::Debian12, user_data: "#cloud-config\n".to_owned() }
    }

    fn snapshot(name: &str) -> SnapshotName {
        name.parse().expect("a snapshot name")
    }

    #[tokio::test]
    async fn a_lost_answer_makes_no_second_host_and_no_second_snapshot() {
        let (provider, name) = provider();
        provider.lose_answer(ProviderCall::Create);
        assert!(provider.create(&spec(&name)).await.is_err_and(|error| error.retryable()));
        let host = provider.create(&spec(&name)).await.expect("found");
        assert_eq!(provider.list().await.expect("a list"), [host]);
        provider.lose_answer(ProviderCall::TakeSnapshot);
        assert!(provider.take_snapshot(&name, &snapshot("s1")).await.is_err());
        provider.take_snapshot(&name, &snapshot("s1")).await.expect("found");
        let effects = provider.effects();
        assert_eq!((effects.creates, effects.snapshots), (1, 1));
    }

    #[tokio::test]
    async fn an_unavailable_provider_has_done_nothing() {
        let (provider, name) = provider();
        provider.fail(ProviderCall::Create, 2);
        for _ in 0..2 {
            assert!(provider.create(&spec(&name)).await.is_err());
        }
        assert_eq!(provider.find(&name).await.expect("an answer"), None);
        assert_eq!(provider.effects(), ProviderEffects::default());
        provider.create(&spec(&name)).await.expect("created");
    }

    #[tokio::test]
    async fn a_restore_brings_back_the_disk_and_boots_it() {
        let (provider, name) = provider();
        let before = provider.create(&spec(&name)).await.expect("created");
        let machine = provider.machine(&name).expect("a machine");
        machine.set_calls_to_boot(0);
        provider.take_snapshot(&name, &snapshot("s1")).await.expect("taken");
        let first_boot = machine.boot_id();
        machine.set_version("openssl", "9.9-1");
        let after = provider.restore(&name, &snapshot("s1")).await.expect("restored");
        assert_eq!(after, before);
        assert_eq!(machine.version_of("openssl").as_deref(), Some("3.0.16-1~deb12u1"));
        assert_ne!(machine.boot_id(), first_boot);
        assert!(machine.hello().await.is_ok());
        assert!(matches!(
            provider.restore(&name, &snapshot("s2")).await,
            Err(ProviderError::NotFound { kind: "snapshot", .. })
        ));
    }

    #[tokio::test]
    async fn what_is_gone_is_no_error_and_what_it_cannot_do_is_refused() {
        let (provider, name) = provider();
        provider.destroy(&name).await.expect("nothing to do");
        provider.delete_snapshot(&name, &snapshot("s1")).await.expect("nothing to do");
        provider.create(&spec(&name)).await.expect("created");
        provider.set_capabilities(Capabilities {
            snapshots: false,
            restore_in_place: false,
            firewall: false,
        });
        let refused = provider.take_snapshot(&name, &snapshot("s1")).await;
        assert!(matches!(refused, Err(ProviderError::Refused { .. })));
        let other = HostSpec { release: Release::Debian13, ..spec(&name) };
        assert!(matches!(provider.create(&other).await, Err(ProviderError::Refused { .. })));
    }
}
