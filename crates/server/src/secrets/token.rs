//! Random tokens: made once, shown once, stored as a digest.

use base::{Redacted, Sha256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{RngCore, rngs::OsRng};
use subtle::ConstantTimeEq;

/// A token of 256 random bits, 43 characters of URL-safe base64.
#[derive(Debug, Clone)]
pub struct Token(Redacted<String>);

impl Token {
    /// A new token.
    pub fn generate() -> Self {
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        Self(Redacted::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text, to be handed over once.
    pub fn reveal(&self) -> &str {
        self.0.expose()
    }

    /// What is stored in its place. A plain digest is enough for 256 random bits:
    /// there is nothing to guess.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.reveal().as_bytes())
    }
}

/// Compares two digests without telling by its time where they differ.
pub fn same_digest(one: &Sha256, other: &Sha256) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_differ() {
        let (one, other) = (Token::generate(), Token::generate());
        assert_eq!(one.reveal().len(), 43);
        assert!(!same_digest(&one.digest(), &other.digest()));
        assert!(same_digest(&one.digest(), &Sha256::of(one.reveal().as_bytes())));
    }
}
