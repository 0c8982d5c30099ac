//! Receipts: what a run did, signed, so that it can be checked without us.
//!
//! A receipt is one JSON object of two texts and a key: `body` is the exact text that
//! was signed, `signature` its Ed25519 signature (RFC 8032). Whoever has the public key
//! can verify it offline; the file names the key so that it can be compared.

use base::{Problem, RunId, ServerId};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::store::RunTable;
use crate::{exposure::FindingChange, secrets::Vault};

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Version of this form.
    pub version: u16,
    /// The run.
    pub run: RunId,
    /// Its kind.
    pub kind: String,
    /// `done` or `rolled_back`.
    pub outcome: String,
    /// One sentence.
    pub summary: String,
    /// The server.
    pub server: ServerId,
    /// Its name then.
    pub server_name: String,
    /// Who asked for it.
    pub actor: String,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Packages that are at another version than before.
    pub packages: Vec<VersionChange>,
    /// Findings that the fresh inventory shows closed, by package; none where no feed had
    /// been read by which to judge, which is not the same as nothing closed.
    pub closed: Option<Vec<FindingChange>>,
    /// The disk snapshot taken before, if any.
    pub snapshot: Option<String>,
    /// The boot's identity before and after.
    pub boots: (String, String),
    /// What was checked, and what it showed.
    pub gates: Vec<Gate>,
}

/// One package at two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionChange {
    /// Binary package.
    pub package: String,
    /// Before; none when it was not there.
    pub before: Option<String>,
    /// After; none when it is gone.
    pub after: Option<String>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// What was checked.
    pub name: String,
    /// What it showed.
    pub found: String,
}

/// A receipt with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReceipt {
    /// The exact text that was signed: a [`Receipt`] in JSON.
    pub body: String,
    /// Ed25519 signature of the body, base64.
    pub signature: String,
    /// The signer's public key, base64.
    pub public_key: String,
}

/// Why a receipt does not verify.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReceiptError {
    /// Not a receipt at all.
    #[error("this is not a receipt: expected a JSON object with `body`, `signature` and `public_key`")]
    NotAReceipt,
    /// Signed with another key than the one that is trusted.
    #[error("signed with the key `{found}`, not with the trusted `{trusted}`")]
    OtherKey {
        /// The key in the file.
        found: String,
        /// The key that was given.
        trusted: String,
    },
    /// The text is not what was signed.
    #[error("the signature does not fit the body: the receipt was changed or forged")]
    Forged,
    /// Signed rightly, but in a form that this version does not know.
    #[error("the signature is good, but the body is of a form that this version does not know")]
    UnknownForm,
}

impl Receipt {
    /// How many findings closed, in words.
    pub fn closed_in_words(&self) -> String {
        closed_in_words(self.closed.as_deref())
    }
}

/// How many findings closed, in words.
pub fn closed_in_words(closed: Option<&[FindingChange]>) -> String {
    match closed {
        Some(changes) => {
            let closed: usize = changes.iter().map(|change| change.closed.len()).sum();
            format!("{closed} findings closed")
        }
        None => "findings not judged, as no feed was read".to_owned(),
    }
}

impl SignedReceipt {
    /// Checks the signature, and that it was made with `trusted` if that is given.
    pub fn verify(text: &str, trusted: Option<&str>) -> Result<(Receipt, String), ReceiptError> {
        let signed: Self = serde_json::from_str(text).map_err(|_| ReceiptError::NotAReceipt)?;
        if let Some(trusted) = trusted
            && trusted != signed.public_key
        {
            return Err(ReceiptError::OtherKey { found: signed.public_key, trusted: trusted.to_owned() });
        }
        let key = STANDARD.decode(&signed.public_key).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
        let key = key.and_then(|key| VerifyingKey::from_bytes(&key).ok()).ok_or(ReceiptError::NotAReceipt)?;
        let signature = STANDARD.decode(&signed.signature).ok();
        let signature =
            signature.and_then(|bytes| Signature::from_slice(&bytes).ok()).ok_or(ReceiptError::Forged)?;
        key.verify(signed.body.as_bytes(), &signature).map_err(|_| ReceiptError::Forged)?;
        let receipt = serde_json::from_str(&signed.body).map_err(|_| ReceiptError::UnknownForm)?;
        Ok((receipt, signed.public_key))
    }
}

/// Signs and keeps receipts.
#[derive(Clone)]
pub struct Receipts {
    key: SigningKey,
    runs: RunTable,
}

impl Receipts {
    /// Signs with a key derived from the master key.
    pub fn new(vault: &Vault, runs: RunTable) -> Self {
        Self { key: signing_key(vault), runs }
    }

    /// The public key, base64: what an auditor compares.
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.key.verifying_key().as_bytes())
    }

    /// Signs a receipt.
    pub fn sign(&self, receipt: &Receipt) -> Result<SignedReceipt, Problem> {
        let body = serde_json::to_string(receipt)
            .map_err(|_| Problem::new("receipt.failed", "could not write the receipt down"))?;
        let signature = STANDARD.encode(self.key.sign(body.as_bytes()).to_bytes());
        Ok(SignedReceipt { body, signature, public_key: self.public_key() })
    }

    /// Signs a receipt and keeps it. A run has one: a second one is not kept.
    pub async fn issue(&self, receipt: &Receipt) -> Result<(), Problem> {
        let signed = self.sign(receipt)?;
        let text = serde_json::to_string_pretty(&signed)
            .map_err(|_| Problem::new("receipt.failed", "could not write the receipt down"))?;
        self.runs.keep_receipt(receipt.run, &text, receipt.ended_at).await
    }

    /// A run's receipt, as it is handed out.
    pub async fn of(&self, run: RunId) -> Result<Option<String>, Problem> {
        self.runs.receipt(run).await
    }
}

fn signing_key(vault: &Vault) -> SigningKey {
    SigningKey::from_bytes(vault.key_for("sign receipts").expose())
}

/// The public key, base64, that belongs to this master key.
pub fn public_key_of(vault: &Vault) -> String {
    STANDARD.encode(signing_key(vault).verifying_key().as_bytes())
}

/// Packages that differ between two inventories.
pub fn version_changes(before: &wire::Inventory, after: &wire::Inventory) -> Vec<VersionChange> {
    use std::collections::BTreeMap;
    let versions = |inventory: &wire::Inventory| -> BTreeMap<String, String> {
        let present = inventory.packages.iter().filter(|package| package.status.is_present());
        present.map(|package| (package.name.to_string(), package.version.to_string())).collect()
    };
    let (was, is) = (versions(before), versions(after));
    let names: std::collections::BTreeSet<_> = was.keys().chain(is.keys()).collect();
    let changed = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
    changed
        .map(|name| VersionChange {
            package: name.clone(),
            before: was.get(name).cloned(),
            after: is.get(name).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            version: 1,
            run: RunId::new(),
            kind: "patch".into(),
            outcome: "done".into(),
            summary: "3 packages".into(),
            server: ServerId::new(),
            server_name: "web-3".into(),
            actor: "operator:ann".into(),
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: Timestamp::UNIX_EPOCH,
            packages: Vec::new(),
            closed: Some(Vec::new()),
            snapshot: None,
            boots: ("a".into(), "b".into()),
            gates: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_receipt_verifies_and_a_changed_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let db = crate::db::open_sqlite(&folder.path().join("t.db")).await.unwrap();
        let receipts = Receipts::new(&Vault::from_key([3; 32]), RunTable::new(db));
        let receipt = receipt();
        receipts.issue(&receipt).await.unwrap();
        let text = receipts.of(receipt.run).await.unwrap().unwrap();
        let (read, key) = SignedReceipt::verify(&text, Some(&receipts.public_key())).unwrap();
        assert_eq!((read, key), (receipt, receipts.public_key()));
        assert_eq!(SignedReceipt::verify(&text.replace("web-3", "web-4"), None), Err(ReceiptError::Forged));
        assert!(matches!(SignedReceipt::verify(&text, Some("AAAA")), Err(ReceiptError::OtherKey { .. })));
        assert_eq!(SignedReceipt::verify("{}", None), Err(ReceiptError::NotAReceipt));
        let other = Receipts::new(&Vault::from_key([4; 32]), receipts.runs.clone());
        let mut forged: SignedReceipt = serde_json::from_str(&text).unwrap();
        forged.public_key = other.public_key();
        let forged = serde_json::to_string(&forged).unwrap();
        assert_eq!(SignedReceipt::verify(&forged, None), Err(ReceiptError::Forged));
    }
}
