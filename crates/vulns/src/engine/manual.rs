//! Fixes that a new version alone does not bring into effect: somebody has to do
//! something by hand, which no version can prove.

use super::Product;

/// A CVE whose fix needs a step after the update.
#[derive(Debug)]
pub(crate) struct ManualStep {
    pub cve: &'static str,
    pub product: Product,
    /// What to do, as an imperative sentence.
    pub what: &'static str,
}

/// <https://www.postgresql.org/support/security/CVE-2024-4317/>: the update corrects only what
/// `initdb` creates from then on, so that a cluster made before it keeps the old views.
const STEPS: &[ManualStep] = &[ManualStep {
    cve: "CVE-2024-4317",
    product: Product::PostgreSql,
    what: "Run `fix-CVE-2024-4317.sql` of the server's share directory in every database, template0 too, unless the cluster was made by a version with the fix.",
}];

/// The step that a CVE needs beyond the update.
pub(crate) fn step(product: Product, cve: &str) -> Option<&'static ManualStep> {
    STEPS.iter().find(|step| step.product == product && step.cve == cve)
}
