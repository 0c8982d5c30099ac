//! The reader of inventory files, and the matching of what it takes.

use std::sync::{Arc, LazyLock};

use vulns::{FeedFile, FeedKind, Fleet, Index, SetId};

/// Two indexes that differ in one statement.
static INDEXES: LazyLock<[Arc<Index>; 2]> = LazyLock::new(|| {
    ["1.0-1", "3.0-1"].map(|fixed| {
        let tracker = ["a", "linux"].map(|source| {
            format!(
                r#""{source}":{{"CVE-2025-1":{{"releases":{{"bookworm":
                    {{"status":"resolved","fixed_version":"{fixed}","urgency":"low"}}}}}}}}"#
            )
        });
        let tracker = format!("{{{}}}", tracker.join(","));
        let file = FeedFile { path: "security-tracker.json", bytes: tracker.as_bytes() };
        Arc::new(Index::build(&[vulns::parse(FeedKind::DebianTracker, file).expect("a tracker")]))
    })
});

pub fn run(bytes: &[u8]) {
    let mut host = match vulns::inventory::read(bytes) {
        Ok(host) => host,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(!host.packages.is_empty(), "an inventory without packages is refused");
    host.release.get_or_insert(base::Release::Debian12);
    let mut fleet = Fleet::new(Arc::clone(&INDEXES[0]));
    let set = fleet.place(0_u8, &host);
    assert_eq!(set, SetId::of(&host));
    for index in &*INDEXES {
        fleet.update(Arc::clone(index));
        // A report in another order is the same host; what it is told alone may name its packages in that order.
        let alone = index.findings(&host);
        let together = fleet.findings(set).expect("placed");
        assert_eq!(together.len(), alone.len());
        assert_eq!(together.summary(), alone.summary());
        let _ = index.coverage(&host);
    }
}
