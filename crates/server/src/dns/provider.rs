//! What every way to change a zone can do.

use async_trait::async_trait;

use super::{DnsError, DnsName};

/// Changes TXT records of one zone. Both operations may be repeated: setting what is there
/// and removing what is not succeed.
#[async_trait]
pub trait DnsProvider: Send + Sync {
    /// Adds this value to the TXT records of the name. Other values stay: a name that is
    /// validated for two certificates at once has two.
    async fn set_txt(&self, name: &DnsName, value: &str) -> Result<(), DnsError>;

    /// Removes this value from the TXT records of the name.
    async fn remove_txt(&self, name: &DnsName, value: &str) -> Result<(), DnsError>;
}
