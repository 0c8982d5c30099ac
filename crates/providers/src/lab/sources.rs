//! Reads the Debian archives this machine itself uses out of its apt sources.
//!
//! Two formats, both described in sources.list(5): one-line `.list` and deb822
//! `.sources`. Only binary (`deb`) entries over http or https count. Never writes
//! an address anywhere but into the lab's own state.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::ProviderError;

/// A source file larger than this is not one a person or an installer wrote.
const MAX_FILE: u64 = 256 * 1024;

/// The two archives Debian hosts need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archives {
    /// Where `bookworm main` is found. No trailing slash.
    pub debian: String,
    /// Where `bookworm-security main` is found. No trailing slash.
    pub security: String,
}

/// One archive with the suites taken from it.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    uri: String,
    suites: Vec<String>,
    components: Vec<String>,
}

impl Archives {
    /// The archives named in this `etc/apt` folder.
    pub fn of_machine(etc_apt: &Path) -> Result<Self, ProviderError> {
        let mut sources = Vec::new();
        let list = etc_apt.join("sources.list");
        if list.exists() {
            sources.extend(one_line(&read(&list)?));
        }
        let mut files: Vec<_> = match fs::read_dir(etc_apt.join("sources.list.d")) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(_) => Vec::new(),
        };
        files.sort();
        for file in files {
            match file.extension().and_then(|e| e.to_str()) {
                Some("list") => sources.extend(one_line(&read(&file)?)),
                Some("sources") => sources.extend(deb822(&read(&file)?)),
                _ => {}
            }
        }
        Self::choose(&sources).ok_or_else(|| ProviderError::Missing {
            what: format!("an apt source for Debian under `{}`", etc_apt.display()),
            hint: "name the Debian and the Debian security archive in the lab's settings".into(),
        })
    }

    /// The first archive with a Debian suite, and the first with its security
    /// suite. Where only the former is named, the latter is taken to be its
    /// neighbour, as on Debian's own mirrors.
    fn choose(sources: &[Source]) -> Option<Self> {
        let with = |wanted: fn(&str) -> bool| {
            sources
                .iter()
                .find(|s| s.components.iter().any(|c| c == "main") && s.suites.iter().any(|s| wanted(s)))
                .map(|source| source.uri.trim_end_matches('/').to_owned())
        };
        let debian = with(is_debian)?;
        let security = with(is_security)
            .or_else(|| Some(format!("{}-security", debian.strip_suffix('/').unwrap_or(&debian))))?;
        Some(Self { debian, security })
    }
}

fn is_debian(suite: &str) -> bool {
    matches!(suite, "bullseye" | "bookworm" | "trixie" | "oldstable" | "stable" | "testing" | "sid")
}

fn is_security(suite: &str) -> bool {
    suite.strip_suffix("-security").is_some_and(is_debian)
}

fn read(path: &Path) -> Result<String, ProviderError> {
    let len = fs::metadata(path).map_err(ProviderError::file("read", path))?.len();
    if len > MAX_FILE {
        return Err(ProviderError::Damaged {
            path: path.to_owned(),
            reason: format!("{len} bytes are too many for an apt source"),
        });
    }
    let bytes = fs::read(path).map_err(ProviderError::file("read", path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn over_http(uri: &str) -> bool {
    uri.starts_with("http://") || uri.starts_with("https://")
}

fn one_line(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("").trim();
        let Some(rest) = line.strip_prefix("deb ").or_else(|| line.strip_prefix("deb\t")) else { continue };
        let rest = rest.trim_start();
        // Options stand in brackets, `[signed-by=... arch=...]`.
        let rest = match rest.strip_prefix('[') {
            Some(options) => match options.split_once(']') {
                Some((_, rest)) => rest,
                None => continue,
            },
            None => rest,
        };
        let mut words = rest.split_whitespace().map(str::to_owned);
        if let (Some(uri), Some(suite)) = (words.next(), words.next())
            && over_http(&uri)
        {
            sources.push(Source { uri, suites: vec![suite], components: words.collect() });
        }
    }
    sources
}

fn deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    // The closing empty line ends the last stanza.
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            sources.extend(stanza(&fields));
            fields.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    sources
}

fn stanza(fields: &[(String, String)]) -> Vec<Source> {
    let words = |wanted: &str| -> Vec<String> {
        let field = fields.iter().find(|(name, _)| name == wanted);
        field.map(|(_, value)| value.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
    };
    let disabled = words("enabled").first().is_some_and(|value| value.eq_ignore_ascii_case("no"));
    if disabled || !words("types").iter().any(|t| t == "deb") {
        return Vec::new();
    }
    let (suites, components) = (words("suites"), words("components"));
    words("uris")
        .into_iter()
        .filter(|uri| over_http(uri))
        .map(|uri| Source { uri, suites: suites.clone(), components: components.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archives(name: &str, text: &str) -> Result<Archives, ProviderError> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sources.list.d")).unwrap();
        fs::write(dir.path().join(name), text).unwrap();
        Archives::of_machine(dir.path())
    }

    #[test]
    fn reads_deb822() {
        let found = archives(
            "sources.list.d/debian.sources",
            "Types: deb deb-src\n# a note\nURIs: http://mirror.test/debian/\nSuites: bookworm\n bookworm-updates\n\
             Components: main\n\nEnabled: no\nTypes: deb\nURIs: http://off.test/s\nSuites: bookworm-security\nComponents: main\n\n\
             Types: deb\nURIs: https://mirror.test/debian-security\nSuites: bookworm-security\nComponents: main contrib\n",
        );
        assert_eq!(
            found.unwrap(),
            Archives {
                debian: "http://mirror.test/debian".into(),
                security: "https://mirror.test/debian-security".into()
            }
        );
    }

    #[test]
    fn reads_one_line_sources_and_guesses_the_neighbour() {
        let found = archives(
            "sources.list",
            "# deb http://no.test/debian trixie main\ndeb-src http://no.test/debian trixie main\n\
             deb cdrom:[Debian] trixie main\ndeb [signed-by=/a.gpg arch=amd64] http://mirror.test/debian trixie main # yes\n",
        );
        assert_eq!(
            found.unwrap(),
            Archives {
                debian: "http://mirror.test/debian".into(),
                security: "http://mirror.test/debian-security".into()
            }
        );
    }

    #[test]
    fn other_archives_are_no_debian() {
        let ubuntu = "deb http://mirror.test/ubuntu noble main\ndeb http://mirror.test/tool stable extra\n";
        assert!(matches!(archives("sources.list", ubuntu), Err(ProviderError::Missing { .. })));
        assert!(matches!(
            archives("sources.list", "deb [broken http://x"),
            Err(ProviderError::Missing { .. })
        ));
    }
}
