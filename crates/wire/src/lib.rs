//! What control plane and agent say to each other.
//!
//! The agent observes and obeys; policy stays with the control plane. Every
//! message is a closed, typed set: there is no shell, no free command, and no text
//! from the wire that is ever used as a path.
//!
//! Start with [`AgentApi`], then [`Verb`].

mod api;
mod certificate;
mod enrolment;
mod firewall;
mod hardening;
mod inventory;
mod job;
mod packages;
mod posture;
mod verb;

pub use api::{AgentApi, AgentError, Hello, RenewIdentity, limits, paths};
pub use certificate::{
    CertificateAnswer, CertificateQuestion, InstalledCertificate, ServedProof, TlsService,
};
pub use enrolment::{
    BOOTSTRAP_FILE, Bootstrap, CONTROL_PLANE_DNS_NAME, EnrolmentRequest, EnrolmentResponse, agent_dns_name,
};
pub use firewall::{Action, FirewallRule, Purpose};
pub use hardening::HardeningReport;
pub use inventory::{
    Boot, Disk, FormerInUse, Inventory, Kernel, LivepatchModule, OsRelease, PackageHealth, RebootState,
    ServiceState, Virtualization,
};
pub use job::{Failure, FailureKind, InvalidJobKey, JobKey, JobState, JobStatus, LogLine, Progress};
pub use packages::{
    InvalidPackageName, Package, PackageChange, PackageName, PackageStatus, PackageVersion, PendingUpdate,
    UpgradePlan, UpgradeScope,
};
pub use posture::{FirewallReport, Posture};
pub use verb::{Outcome, Probe, RepairFile, Verb};
