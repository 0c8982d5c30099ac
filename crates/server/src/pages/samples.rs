//! Things for the tests of pages to show.

use base::{AcceptanceId, AuditId, HostName, Problem, Release, RunId, ServerId};
use jiff::{SignedDuration, Timestamp};
use runs::{Event, JournalLine, Outcome, Phase, RunRecord, Status};
use vulns::{FeedFile, FeedKind, HostPackages, Index, InstalledPackage, Summary};
use wire::{
    Boot, Disk, Inventory, Kernel, OsRelease, PackageHealth, PendingUpdate, RebootState, Virtualization,
};

use super::Frame;
use crate::{
    access::SignedIn,
    audit::{Actor, AuditLine, Entry},
    exposure::{
        Acceptance, AcceptedHere, CoverageReport, FeedState, Gap, Risk, Scope, Standing, api::ServerFindings,
    },
    hosts::{Facts, Origin, Server, ServerState},
    patching::{NumberedLine, RunView, SnapshotChoice},
};

/// The moment at which all samples are looked at.
pub fn now() -> Timestamp {
    "2026-03-10T12:00:00Z".parse().unwrap()
}

fn hours_ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

/// Keeps a page as a file in the folder that `HOLDFAST_KEEP_PAGES` names, so that it can be
/// looked at in a browser; does nothing without that.
pub fn keep(name: &str, html: &str) {
    let Some(folder) = std::env::var_os("HOLDFAST_KEEP_PAGES") else { return };
    let folder = std::path::PathBuf::from(folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
}

/// The frame of a visitor named ann.
pub fn frame(path: &str, feeds: &[FeedState]) -> Frame {
    let visitor = SignedIn { operator: "ann".to_owned(), form_token: "form-token-of-ann".to_owned() };
    Frame::new(visitor, now(), path, feeds)
}

/// A feed that was last read then.
pub fn feed(read: Option<Timestamp>, stale: bool) -> FeedState {
    FeedState {
        kind: FeedKind::DebianTracker,
        title: FeedKind::DebianTracker.title(),
        source: FeedKind::DebianTracker.public_url().to_owned(),
        as_of: None,
        records: if read.is_some() { 72_493 } else { 0 },
        last_success_at: read,
        last_attempt_at: read,
        fault: None,
        stale,
    }
}

/// An enrolled server in order.
pub fn server(name: &str) -> Server {
    Server {
        id: ServerId::new(),
        name: name.parse::<HostName>().unwrap(),
        region: "default".to_owned(),
        provider: "lab".to_owned(),
        origin: Origin::Provisioned,
        state: ServerState::Enrolled,
        release: Some(Release::Debian12),
        ipv4: Some([10, 88, 0, 11].into()),
        ipv6: None,
        agent_certificate: None,
        bearer_token_sealed: None,
        baseline: None,
        probes: Vec::new(),
        in_maintenance: false,
        last_seen_at: Some(now()),
        last_fault: None,
        inventory: None,
        facts: Some(Facts::of(&inventory())),
        risk: Some(risk(0, 0, 0, 0)),
        created_at: hours_ago(900),
    }
}

fn risk(kev: usize, critical: usize, high: usize, fixable: usize) -> Risk {
    let (medium, low, unknown) = (41, 17, 6);
    let open = critical + high + medium + low + unknown;
    let summary = Summary {
        open,
        critical,
        high,
        medium,
        low,
        unknown,
        kev,
        fixable,
        unfixable: open.saturating_sub(fixable),
        kev_fixable: kev / 2,
        ..Summary::default()
    };
    Risk {
        summary,
        updates: fixable.min(3),
        accepted: 0,
        accepted_exploited: 0,
        covered: true,
        gaps: vec![Gap::UnnamedPackages { sources: 92, of: 231 }],
        sources: 231,
        sources_named: 139,
    }
}

/// Four servers: one exploited, one with updates, one with much that is high, one new.
pub fn fleet() -> Vec<Server> {
    let mut exploited = server("db-1");
    exploited.risk = Some(risk(2, 1, 1, 5));
    let facts = exploited.facts.as_mut().unwrap();
    (facts.pending, facts.pending_security) = (9, 2);
    facts.reboot_reasons = vec!["linux-image-6.1.0-49-amd64 is installed and not running".to_owned()];
    facts.kernel_installed = Some("6.1.0-49-amd64".to_owned());
    facts.booted_at = hours_ago(1300);
    let mut pending = server("web-1");
    pending.risk = Some(risk(0, 0, 4, 4));
    let facts = pending.facts.as_mut().unwrap();
    (facts.pending, facts.pending_security) = (5, 5);
    let mut high = server("web-2");
    high.risk = Some(risk(0, 0, 7, 0));
    let judged = high.risk.as_mut().unwrap();
    (judged.accepted, judged.accepted_exploited) = (3, 1);
    judged.gaps.insert(0, Gap::KernelUnknown);
    // More is high here, but on the other one something is critical.
    let mut new = server("new-1");
    (new.facts, new.risk, new.state) = (None, None, ServerState::Provisioning);
    (new.last_seen_at, new.ipv4) = (None, None);
    vec![pending, high, new, exploited]
}

/// An inventory of a virtual machine in order, with two updates pending.
pub fn inventory() -> Inventory {
    let update = |name: &str, security| PendingUpdate {
        name: name.parse().unwrap(),
        architecture: "amd64".to_owned(),
        installed: Some("3.0.11-1~deb12u2".parse().unwrap()),
        candidate: "3.0.15-1~deb12u1".parse().unwrap(),
        origins: vec!["Debian-Security:12/oldstable-security".to_owned()],
        security,
        held: false,
    };
    Inventory {
        collected_at: hours_ago(3),
        agent_version: "0.1.0".to_owned(),
        hostname: "web-1".to_owned(),
        os: OsRelease {
            id: "debian".to_owned(),
            version_id: "12".to_owned(),
            pretty_name: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        },
        architecture: "x86_64".to_owned(),
        virtualization: Virtualization::OwnKernel { kind: "kvm".to_owned() },
        kernel: Kernel {
            release: "6.1.0-37-amd64".to_owned(),
            version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.140-1 (2025-05-22)".to_owned(),
            newest_installed: Some("6.1.0-37-amd64".to_owned()),
            livepatches: Vec::new(),
        },
        boot: Boot { id: "b1".to_owned(), started_at: hours_ago(484) },
        packages: Vec::new(),
        pending: vec![update("tzdata", false), update("libssl3", true)],
        lists_updated_at: Some(hours_ago(3)),
        reboot: RebootState::default(),
        stale_services: Vec::new(),
        in_use: Vec::new(),
        failed_units: Vec::new(),
        package_health: PackageHealth::default(),
        disks: vec![Disk { mount: "/".to_owned(), total_bytes: 40 << 30, free_bytes: 27 << 30 }],
        services: Vec::new(),
    }
}

/// Findings in openssl, so many, the first of them exploited, and one of curl.
pub fn findings(number: usize) -> ServerFindings {
    found(number, &AcceptedHere::default())
}

/// The same with the exploited one accepted.
pub fn accepted_findings(number: usize) -> ServerFindings {
    found(number, &AcceptedHere::of(acceptances().into_iter().take(1)))
}

/// Four acceptances: on a server, on the fleet, expired, revoked.
pub fn acceptances() -> Vec<Acceptance> {
    let of = |cve: &str, scope: Scope, until: &str, standing: Standing| Acceptance {
        id: AcceptanceId::new(),
        cve: cve.to_owned(),
        scope,
        reason: "the service is only reachable from the office network".to_owned(),
        owner: "ann".to_owned(),
        accepted_by: "operator:ann".to_owned(),
        accepted_at: hours_ago(24 * 20),
        until: until.parse().unwrap(),
        standing,
        revoked_by: (standing == Standing::Revoked).then(|| "operator:bob".to_owned()),
        revoked_at: (standing == Standing::Revoked).then(|| hours_ago(24)),
    };
    let web = || Scope::Server { id: ServerId::new(), name: "web-1".to_owned() };
    vec![
        of("CVE-2024-1001", web(), "2026-05-01T00:00:00Z", Standing::Active),
        of("CVE-2024-9999", Scope::Fleet, "2026-12-24T12:30:00Z", Standing::Active),
        of("CVE-2024-1003", web(), "2026-03-01T00:00:00Z", Standing::Expired),
        of("CVE-2024-1004", Scope::Fleet, "2026-05-01T00:00:00Z", Standing::Revoked),
    ]
}

fn found(number: usize, accepted: &AcceptedHere) -> ServerFindings {
    let cve = |n: usize| {
        format!(
            r#""CVE-2024-{:04}": {{"releases": {{"bookworm": {{"status": "resolved", "fixed_version": "3.0.15-1~deb12u1", "urgency": "{}"}}}}}}"#,
            n + 1000,
            if n.is_multiple_of(3) { "high" } else { "medium" },
        )
    };
    let cves: Vec<_> = (0..number).map(cve).collect();
    let tracker = format!(
        r#"{{"openssl": {{{}}}, "curl": {{"CVE-2024-9999": {{"releases": {{"bookworm": {{"status": "open", "urgency": "low"}}}}}}}}}}"#,
        cves.join(", "),
    );
    let kev = r#"{"title": "Known Exploited", "catalogVersion": "2026.03.01", "dateReleased": "2026-03-01T00:00:00Z", "count": 1, "vulnerabilities": [{"cveID": "CVE-2024-1001", "vendorProject": "OpenSSL", "product": "OpenSSL", "vulnerabilityName": "OpenSSL Overflow", "dateAdded": "2026-02-20", "shortDescription": "x", "requiredAction": "Update", "dueDate": "2026-03-13", "knownRansomwareCampaignUse": "Unknown", "notes": ""}]}"#;
    let parse = |path: &str, text: &str| {
        vulns::parse(vulns::recognise(path).unwrap(), FeedFile { path, bytes: text.as_bytes() }).unwrap()
    };
    let index = Index::build(&[
        parse("debian/security-tracker.json", &tracker),
        parse("kev/known_exploited_vulnerabilities.json", kev),
    ]);
    let package = |name: &str, source: &str, version: &str| InstalledPackage {
        name: name.to_owned(),
        architecture: "amd64".to_owned(),
        version: version.to_owned(),
        source: source.to_owned(),
        source_version: version.to_owned(),
        held: false,
        in_use: None,
    };
    let host = HostPackages {
        release: Some(Release::Debian12),
        packages: vec![
            package("libssl3", "openssl", "3.0.11-1~deb12u2"),
            package("openssl", "openssl", "3.0.11-1~deb12u2"),
            package("curl", "curl", "7.88.1-10+deb12u8"),
        ],
        ..HostPackages::default()
    };
    let coverage = CoverageReport::new(index.coverage(&host), host.release, &[feed(None, true)]);
    ServerFindings::new("web-1".to_owned(), &index.findings(&host), coverage, accepted)
}

/// A run of this kind, in its fifth step if it is open.
pub fn run(kind: &str, status: Status, outcome: Option<Outcome>) -> RunView {
    let plan = serde_json::json!({
        "server": ServerId::new(),
        "name": "web-1",
        "scope": "security",
        "upgrade": {
            "changes": [
                { "name": "libssl3", "architecture": "amd64", "from": "3.0.11-1~deb12u2", "to": "3.0.15-1~deb12u1", "security": true },
                { "name": "openssl", "architecture": "amd64", "from": "3.0.11-1~deb12u2", "to": "3.0.15-1~deb12u1", "security": true },
            ],
            "download_bytes": 3_461_120,
            "needed_bytes": 548_405_248,
            "former_unavailable": [],
        },
        "snapshot": serde_json::to_value(SnapshotChoice::Take).unwrap(),
        "probes": [{ "probe": "unit_active", "unit": "nginx.service" }],
    });
    let problem = Problem::new("patch.packages_failed", "could not install the packages on `web-1`")
        .found("dpkg: error processing package libssl3: post-installation script failed")
        .state("The former packages are back, and that was verified")
        .next("see the journal, then patch again");
    let failed = status == Status::NeedsOperator || outcome.is_some_and(|outcome| outcome != Outcome::Done);
    let ended = status == Status::Finished;
    let at = if ended && !failed { 8 } else { 4 };
    let titles = [
        ("check_host", "Check the host"),
        ("enter_maintenance", "Enter maintenance"),
        ("take_snapshot", "Take a snapshot"),
        ("stage_packages", "Stage packages"),
        ("install_packages", "Install packages"),
        ("reboot_if_needed", "Reboot if needed"),
        ("await_host", "Wait for the host"),
        ("verify", "Verify"),
        ("leave_maintenance", "Leave maintenance"),
    ];
    let state = |place: usize| match place.cmp(&at) {
        std::cmp::Ordering::Less => "done",
        std::cmp::Ordering::Equal if ended && failed => "failed",
        std::cmp::Ordering::Equal if ended => "done",
        std::cmp::Ordering::Equal => "current",
        std::cmp::Ordering::Greater => "todo",
    };
    let steps = titles.iter().enumerate();
    RunView {
        server: "web-1".to_owned(),
        steps: steps
            .map(|(place, (name, title))| crate::patching::StepView { name, title, state: state(place) })
            .collect(),
        has_receipt: ended,
        record: RunRecord {
            id: RunId::new(),
            kind: kind.to_owned(),
            subject: ServerId::new().to_string(),
            plan,
            step: titles[at].0.to_owned(),
            state: serde_json::Value::Null,
            state_version: 1,
            undo: Vec::new(),
            undone: 0,
            phase: if ended && failed { Phase::Verifying } else { Phase::Forward },
            status,
            attempt: 0,
            wake_at: now(),
            deadline: None,
            problem: failed.then_some(problem),
            outcome,
            summary: (ended && !failed)
                .then(|| "2 packages are at their planned versions, and the host is well".to_owned()),
            actor: "operator:ann".to_owned(),
            created_at: now() - SignedDuration::from_secs(131),
            ended_at: ended.then(|| now() - SignedDuration::from_secs(12)),
        },
    }
}

/// Six lines, one of them hostile.
pub fn journal() -> Vec<NumberedLine> {
    let lines = [
        ("check_host", Event::Created, "asked for by operator:ann"),
        ("check_host", Event::StepFinished, "2 packages are at the versions that the plan expects"),
        ("enter_maintenance", Event::UndoRecorded, "leave maintenance"),
        ("take_snapshot", Event::StepFinished, "hf-run-0198 was taken in 2 s"),
        ("install_packages", Event::Waiting, "the install is at work"),
        ("install_packages", Event::Log, "Unpacking libssl3:amd64 <script>alert(1)</script> ..."),
    ];
    let numbered = lines.into_iter().enumerate().map(|(place, (step, event, detail))| NumberedLine {
        number: place as i64 + 1,
        line: JournalLine {
            at: now() - SignedDuration::from_secs(120 - 7 * place as i64),
            step: step.to_owned(),
            event,
            detail: detail.to_owned(),
        },
    });
    numbered.collect()
}

/// So many entries of the trail, newest first.
pub fn audit(number: i64) -> Vec<AuditLine> {
    let entry = |place: i64| AuditLine {
        number: place,
        entry: Entry {
            id: AuditId::new(),
            at: now() - SignedDuration::from_mins(number - place),
            actor: Actor::Operator("ann".to_owned()),
            action: "run.start.patch".to_owned(),
            target: "web-1".to_owned(),
            outcome: crate::audit::Outcome::Begun,
            run: Some(RunId::new()),
            detail: "<script>alert(1)</script>".to_owned(),
        },
        previous: "0".repeat(64),
        hash: format!("{:064x}", 0xabcd_1234_5678_u64 * place as u64),
    };
    (1..=number).rev().map(entry).collect()
}
