//! CPE 2.3 names in their formatted-string form, as NVD writes them.
//!
//! Format: NIST IR 7695, 6.2: thirteen parts between colons, `\` before a
//! character takes its meaning away, `*` is any value and `-` is none.

/// The parts of a CPE name that matter here, in lower case, without escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cpe {
    /// `a` for applications, `o` for operating systems, `h` for hardware; `*` for any.
    pub part: char,
    pub vendor: String,
    pub product: String,
    pub version: Value,
    pub update: Value,
}

/// A part that may be left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// `*`: whatever it is.
    Any,
    /// `-`: it has none, or it does not matter.
    NotApplicable,
    /// Exactly this, without escapes.
    Is(String),
}

/// `cpe`, `2.3` and the eleven attributes.
const PARTS: usize = 13;

impl Cpe {
    /// Reads a name; `None` if it is not one of CPE 2.3.
    pub fn parse(name: &str) -> Option<Self> {
        let parts = split(name)?;
        let [scheme, binding, part, vendor, product, version, update, ..] = parts.as_slice() else {
            return None;
        };
        if parts.len() != PARTS || !scheme.eq_ignore_ascii_case("cpe") || binding != "2.3" {
            return None;
        }
        let mut letters = part.chars();
        let (Some(part), None) = (letters.next(), letters.next()) else { return None };
        Some(Self {
            part: part.to_ascii_lowercase(),
            vendor: unescaped(vendor).to_ascii_lowercase(),
            product: unescaped(product).to_ascii_lowercase(),
            version: Value::of(version),
            update: Value::of(update),
        })
    }

    /// The version with its update (`16` and `beta1`) as one text; `None` unless it is exact.
    pub fn exact_version(&self) -> Option<String> {
        let Value::Is(version) = &self.version else { return None };
        Some(match &self.update {
            Value::Is(update) => format!("{version}{update}"),
            Value::Any | Value::NotApplicable => version.clone(),
        })
    }
}

impl Value {
    fn of(part: &str) -> Self {
        match part {
            "*" => Self::Any,
            "-" => Self::NotApplicable,
            exact => Self::Is(unescaped(exact)),
        }
    }
}

/// Splits at the colons that no `\` stands before; escapes stay in. `None` for a dangling escape.
fn split(name: &str) -> Option<Vec<String>> {
    let mut parts = Vec::with_capacity(PARTS);
    let mut part = String::new();
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                part.push('\\');
                part.push(letters.next()?);
            }
            ':' if parts.len() == PARTS => return None,
            ':' => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    parts.push(part);
    Some(parts)
}

fn unescaped(part: &str) -> String {
    let mut plain = String::with_capacity(part.len());
    let mut letters = part.chars();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_with_their_escapes() {
        let cpe = |version: &str| format!("cpe:2.3:a:minio:minio:{version}:*:*:*:*:*:*:*");
        let version = |text: &str| Cpe::parse(&cpe(text)).expect(text).version;
        assert_eq!(version("*"), Value::Any);
        assert_eq!(version("-"), Value::NotApplicable);
        assert_eq!(version(r"\-"), Value::Is("-".into()));
        assert_eq!(version(r"1\:2\.0"), Value::Is("1:2.0".into()));
        assert_eq!(version("2024-01-31t20-20-33z"), Value::Is("2024-01-31t20-20-33z".into()));

        let escaped = r"cpe:2.3:a:miniorange:social_login_\(discord\,_google\):*:*:*:*:*:wordpress:*:*";
        assert_eq!(Cpe::parse(escaped).expect("a name").product, "social_login_(discord,_google)");
        let beta = Cpe::parse("cpe:2.3:a:PostgreSQL:postgresql:16:beta1:*:*:*:*:*:*").expect("a name");
        assert_eq!(beta.vendor, "postgresql");
        assert_eq!(beta.exact_version().as_deref(), Some("16beta1"));
        assert_eq!(Cpe::parse(&cpe("*")).expect("a name").exact_version(), None);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "cpe:/a:minio:minio",
            "cpe:2.3:a:minio:minio",
            "cpe:2.3:ab:minio:minio:*:*:*:*:*:*:*:*",
            "cpe:2.2:a:minio:minio:*:*:*:*:*:*:*:*",
            "cpe:2.3:a:minio:minio:*:*:*:*:*:*:*:*:*",
            r"cpe:2.3:a:minio:minio:*:*:*:*:*:*:*:\",
            "cpe:2.3:a:::*:*:*:*:*:*:*:*:::::::::::::",
        ] {
            assert_eq!(Cpe::parse(text), None, "{text}");
        }
    }
}
