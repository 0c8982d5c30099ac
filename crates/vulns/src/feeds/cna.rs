//! What the authors of CVEs (CNAs) say of affected versions. The same form stands in
//! CVE records and, since 2026, inside of NVD's.
//!
//! Format: <https://github.com/CVEProject/cve-schema>, `product` and its `versions`.
//! Authors use it freely: MinIO's writes whole ranges into `version`.

use serde::Deserialize;

use super::json::Text;
use crate::engine::{
    End, Product,
    range::{Affected, Bound, Range},
};

/// One product of a CVE.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AffectedProduct<'a> {
    #[serde(borrow)]
    vendor: Option<Text<'a>>,
    #[serde(borrow)]
    product: Option<Text<'a>>,
    #[serde(borrow)]
    default_status: Option<Text<'a>>,
    #[serde(borrow, default)]
    versions: Vec<VersionEntry<'a>>,
    #[serde(borrow, default)]
    pub cpes: Vec<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionEntry<'a> {
    #[serde(borrow)]
    version: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    less_than: Option<Text<'a>>,
    #[serde(borrow)]
    less_than_or_equal: Option<Text<'a>>,
    #[serde(borrow, default)]
    changes: Vec<Change<'a>>,
}

/// From here on, the status is another.
#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    at: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
}

impl AffectedProduct<'_> {
    /// Which engine it is, by vendor and product or by one of its CPE names.
    pub fn engine(&self) -> Option<Product> {
        let text = |part: &Option<Text<'_>>| part.as_deref().unwrap_or_default().to_owned();
        Product::of_cna(&text(&self.vendor), &text(&self.product))
            .or_else(|| self.cpes.iter().find_map(|name| Product::of_cpe_name(name)))
    }

    /// The versions it says are affected; `None` if it leaves that open.
    pub fn affected(&self, product: Product) -> Option<Affected> {
        let default = self.default_status.as_deref().unwrap_or("unknown");
        let of_status = |status: &str| -> Vec<Affected> {
            self.versions.iter().flat_map(|entry| entry.ranges(product, status)).collect()
        };
        if default == "affected" {
            let except = of_status("unaffected");
            return Some(match except.is_empty() {
                true => Affected::Range(Range::EVERY),
                false => Affected::Not(Box::new(Affected::Any(except))),
            });
        }
        let listed = of_status("affected");
        (!listed.is_empty() || default == "unaffected").then_some(Affected::Any(listed))
    }
}

impl VersionEntry<'_> {
    /// The parts of the entry that have this status.
    fn ranges(&self, product: Product, status: &str) -> Vec<Affected> {
        let first = self.status.as_deref().unwrap_or("affected");
        let version = self.version.as_deref().unwrap_or("unspecified").trim();
        let end = match (&self.less_than, &self.less_than_or_equal) {
            (Some(text), _) => Bound::excluding(product, text, End::Upper),
            (None, Some(text)) => Bound::including(product, text, End::Upper),
            (None, None) if self.changes.is_empty() => {
                let alone = match version {
                    "*" => Affected::Range(Range::EVERY),
                    text => Affected::of_text(product, text),
                };
                return if first == status { vec![alone] } else { Vec::new() };
            }
            (None, None) => Bound::Open,
        };
        let from = match version {
            // The ways in which authors write "from the beginning".
            "*" | "-" | "n/a" | "unspecified" => Bound::Open,
            text => Bound::including(product, text, End::Lower),
        };
        let mut found = Vec::new();
        let mut current = (from, first);
        for change in &self.changes {
            let to = Bound::excluding(product, &change.at, End::Upper);
            if current.1 == status {
                found.push(Affected::Range(Range { from: current.0, to }));
            }
            current = (Bound::including(product, &change.at, End::Lower), &change.status);
        }
        if current.1 == status {
            found.push(Affected::Range(Range { from: current.0, to: end }));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineVersion, range::Verdict};

    #[test]
    fn statuses_defaults_and_changes() {
        use Verdict::{No, Unclear, Yes};
        let rpm = r#"{"vendor":"n/a","product":"PostgreSQL","defaultStatus":"unaffected","versions":[
            {"version":"16","lessThan":"16.4","versionType":"rpm","status":"affected"},
            {"version":"0","lessThan":"13.22","versionType":"rpm","status":"affected"}]}"#;
        let ours = |rest: &str| format!(r#"{{"vendor":"PostgreSQL","product":"postgresql",{rest}}}"#);
        let except = ours(
            r#""defaultStatus":"affected","versions":[{"version":"16.4","lessThanOrEqual":"16.*","status":"unaffected"}]"#,
        );
        let bounded = ours(
            r#""defaultStatus":"affected","versions":[{"version":"16.4","lessThan":"17","status":"unaffected"}]"#,
        );
        let changes = ours(
            r#""versions":[{"version":"9.6","lessThan":"*","status":"affected","changes":[
            {"at":"13.22","status":"unaffected"},{"at":"14.0","status":"affected"},{"at":"14.19","status":"unaffected"}]}]"#,
        );
        let all = ours(r#""defaultStatus":"affected""#);
        let none = ours(r#""defaultStatus":"unaffected""#);
        let open = ours(r#""versions":[{"version":"n/a","status":"affected"}]"#);
        for (json, version, verdict) in [
            (rpm, "13.9", Yes),
            (rpm, "9.6.24", Yes),
            (rpm, "13.22", No),
            (rpm, "16.3", Yes),
            (rpm, "16.4", No),
            (rpm, "15.1", No),
            (&except, "15.1", Yes),
            (&except, "16.5", Unclear),
            (&bounded, "16.5", No),
            (&bounded, "17.0", Yes),
            (&changes, "9.5.1", No),
            (&changes, "13.9", Yes),
            (&changes, "13.22", No),
            (&changes, "14.1", Yes),
            (&changes, "18.1", No),
            (&all, "18.1", Yes),
            (&none, "18.1", No),
            (&open, "18.1", Unclear),
        ] {
            let product: AffectedProduct<'_> = serde_json::from_str(json).expect(json);
            assert_eq!(product.engine(), Some(Product::PostgreSql));
            let affected = product.affected(Product::PostgreSql).expect("a statement");
            let version = EngineVersion::read(Product::PostgreSql, version).expect("a version");
            assert_eq!(affected.judge(&version), verdict, "{version} in {affected}");
        }
        let silent = ours(r#""versions":[]"#);
        let silent: AffectedProduct<'_> = serde_json::from_str(&silent).expect("well formed");
        assert_eq!(silent.affected(Product::PostgreSql), None);
    }

    #[test]
    fn an_engine_is_known_by_its_cpe_too() {
        let json = r#"{"vendor":"n/a","product":"n/a","cpes":["cpe:2.3:a:minio:minio:*:*:*:*:*:*:*:*"],
            "versions":[{"version":"0","lessThan":"RELEASE.2024-01-31T20-20-33Z","status":"affected"}]}"#;
        let product: AffectedProduct<'_> = serde_json::from_str(json).expect("well formed");
        assert_eq!(product.engine(), Some(Product::Minio));
    }
}
