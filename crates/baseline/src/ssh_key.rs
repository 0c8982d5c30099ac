//! An operator's public SSH key, as one line of `authorized_keys` without options.
//!
//! A line with options could force a command or open a tunnel; a line break would
//! add a key that nobody approved. Neither is taken.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// Key types of OpenSSH that are still sound (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
/// `ssh-dss` is absent: OpenSSH itself no longer takes it.
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    RSA,
];
const RSA: &str = "ssh-rsa";

/// The longest line taken, in bytes. An RSA key of 16 384 bits, the most OpenSSH
/// handles, is 2 800 bytes with a long comment.
const MAX_LEN: usize = 4096;

/// The blob of an RSA key of 2 048 bits: type (11), exponent (7) and modulus (261),
/// each with its length. Shorter keys are refused as breakable.
const RSA_2048_BLOB: usize = 279;

/// One public key: type, key and an optional comment, on one line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SshPublicKey(String);

impl SshPublicKey {
    /// The line for `authorized_keys`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not taken as a public key. The text itself is never repeated: it
/// might be a private key, pasted by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSshPublicKey {
    /// Somebody pasted the wrong half.
    #[error("this is a private key: keep it to yourself and give the line in the file that ends in `.pub`")]
    PrivateKey,
    /// A line break or another control character.
    #[error("a public key is one line of plain text: give one key at a time, without line breaks")]
    NotOneLine,
    /// Far longer than a key.
    #[error("a public key has at most {MAX_LEN} characters")]
    TooLong,
    /// It does not begin with a type that is taken; options before the type end here too.
    #[error("a public key begins with its type, without options before it; taken are {types}", types = KEY_TYPES.join(", "))]
    UnknownType,
    /// The middle is not base64, or belongs to another type.
    #[error("the key after its type is damaged: copy the whole line of the `.pub` file again")]
    Damaged,
    /// RSA below 2 048 bits.
    #[error("an RSA key needs at least 2048 bits: make a new one with `ssh-keygen -t ed25519`")]
    TooShort,
}

impl FromStr for SshPublicKey {
    type Err = InvalidSshPublicKey;

    fn from_str(text: &str) -> Result<Self, InvalidSshPublicKey> {
        // The `.pub` file ends in a line break, which comes along when pasted.
        let line = text.trim();
        if line.contains("PRIVATE KEY-----") {
            return Err(InvalidSshPublicKey::PrivateKey);
        }
        if line.len() > MAX_LEN {
            return Err(InvalidSshPublicKey::TooLong);
        }
        if line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err(InvalidSshPublicKey::NotOneLine);
        }
        let mut words = line.splitn(3, ' ');
        let key_type = words.next().unwrap_or_default();
        if !KEY_TYPES.contains(&key_type) {
            return Err(InvalidSshPublicKey::UnknownType);
        }
        let blob =
            STANDARD.decode(words.next().unwrap_or_default()).map_err(|_| InvalidSshPublicKey::Damaged)?;
        // RFC 4253 §6.6: the blob begins with the type once more, after its length.
        let head = [&(key_type.len() as u32).to_be_bytes(), key_type.as_bytes()].concat();
        if !blob.starts_with(&head) || blob.len() <= head.len() + 32 {
            return Err(InvalidSshPublicKey::Damaged);
        }
        if key_type == RSA && blob.len() < RSA_2048_BLOB {
            return Err(InvalidSshPublicKey::TooShort);
        }
        Ok(Self(line.to_owned()))
    }
}

impl fmt::Display for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SshPublicKey {
    type Error = InvalidSshPublicKey;

    fn try_from(text: String) -> Result<Self, InvalidSshPublicKey> {
        text.parse()
    }
}

impl From<SshPublicKey> for String {
    fn from(key: SshPublicKey) -> String {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key_type: &str, body: usize) -> String {
        let head = [&(key_type.len() as u32).to_be_bytes(), key_type.as_bytes()].concat();
        let blob = [head, vec![7; body]].concat();
        format!("{key_type} {} ada@example.org", STANDARD.encode(blob))
    }

    #[test]
    fn takes_every_sound_type() {
        for key_type in KEY_TYPES {
            let typed = line(key_type, 300);
            assert_eq!(typed.parse::<SshPublicKey>().map(|k| k.to_string()), Ok(typed.clone()), "{key_type}");
        }
        // A key made by ssh-keygen, with the line break of its file and without a comment.
        let real = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n";
        assert_eq!(real.parse::<SshPublicKey>().map(|k| k.to_string()), Ok(real.trim().to_owned()));
    }

    #[test]
    fn refuses_what_could_do_more_than_sign_in() {
        use InvalidSshPublicKey::*;
        let good = line("ssh-ed25519", 36);
        for (typed, reason) in [
            (format!("command=\"/bin/sh\" {good}"), UnknownType),
            (format!("restrict,port-forwarding {good}"), UnknownType),
            (format!("{good}\n{good}"), NotOneLine),
            (format!("{good}\r\nssh-ed25519 AAAA"), NotOneLine),
            (format!("{good}\u{0}"), NotOneLine),
            (line("ssh-dss", 300), UnknownType),
            (line("ssh-rsa", 200), TooShort),
            ("ssh-ed25519".to_owned(), Damaged),
            ("ssh-ed25519 not-base64 x".to_owned(), Damaged),
            (good.replace("ssh-ed25519", "ecdsa-sha2-nistp256"), Damaged),
            (format!("{good}{}", "x".repeat(MAX_LEN)), TooLong),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n".to_owned(), PrivateKey),
            (String::new(), UnknownType),
        ] {
            assert_eq!(typed.parse::<SshPublicKey>(), Err(reason), "{typed:.60}");
        }
    }
}
