//! Typed ids. Each is a time-ordered UUID (version 7) behind a short prefix,
//! `run_018f…`, so that an id in a log line says what it names and ids sort by
//! creation.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not an id of the form `{prefix}_` and 32 hexadecimal digits")]
pub struct InvalidId {
    prefix: &'static str,
    found: String,
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, later than every id this process made before.
            #[allow(clippy::new_without_default, reason = "an id is made, not defaulted")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The last eight hexadecimal digits, which are random: enough to tell
            /// the ids of one machine apart where a name has a length limit.
            pub fn short(&self) -> String {
                let text = self.0.simple().to_string();
                text[24..].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId { prefix: $prefix, found: text.chars().take(64).collect() };
                let digits = text.strip_prefix(concat!($prefix, "_")).ok_or_else(invalid)?;
                if digits.len() != 32 {
                    return Err(invalid());
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| invalid())
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

typed_id!(
    /// A host that Holdfast knows.
    ServerId, "srv"
);
typed_id!(
    /// One durable operation.
    RunId, "run"
);
typed_id!(
    /// Something that a run has kept, in the ledger.
    KeepsakeId, "kpt"
);
typed_id!(
    /// One acceptance of a risk.
    AcceptanceId, "acc"
);
typed_id!(
    /// A person who operates Holdfast.
    OperatorId, "opr"
);
typed_id!(
    /// A signed-in browser.
    SessionId, "ses"
);
typed_id!(
    /// One issue of an enrolment token.
    EnrolmentId, "enr"
);
typed_id!(
    /// One stored inventory of a server.
    InventoryId, "inv"
);
typed_id!(
    /// An entry of the audit trail.
    AuditId, "aud"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_text_and_refuses_another_kind() {
        let id = RunId::new();
        assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
        assert!(id.to_string().parse::<ServerId>().is_err());
        assert!("run_123".parse::<RunId>().is_err());
        assert!("run_{00000000-0000-0000-0000-0000000}".parse::<RunId>().is_err());
    }

    #[test]
    fn ids_sort_by_creation() {
        let (first, second) = (RunId::new(), RunId::new());
        assert!(first < second);
    }
}
