//! dpkg's own record of what is installed, `/var/lib/dpkg/status`: paragraphs of
//! `Field: value` lines, one paragraph a package. It names neither release nor kernel.
//!
//! Format: deb822(5), and deb-src-control(5) for `Source: name (version)`.

use super::{InventoryError, add, status};
use crate::host::{HostPackages, InstalledPackage};

/// Whether the first line that is not empty is a field `Package`, as dpkg writes it.
pub(super) fn begins_like_one(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"Package:")
}

/// The fields of a paragraph that matter.
#[derive(Default)]
struct Paragraph<'a> {
    package: Option<&'a str>,
    status: Option<&'a str>,
    architecture: Option<&'a str>,
    version: Option<&'a str>,
    source: Option<&'a str>,
    /// Whether it has any line at all.
    begun: bool,
}

pub(super) fn read(text: &[u8]) -> Result<HostPackages, InventoryError> {
    let mut host = HostPackages::default();
    let mut paragraph = Paragraph::default();
    let mut number = 0;
    for line in text.split(|byte| *byte == b'\n') {
        number += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.first() {
            None => std::mem::take(&mut paragraph).close(number, &mut host)?,
            // The rest of a field of several lines; none that matters has them.
            Some(b' ' | b'\t') => {}
            Some(_) => paragraph.take(line, number)?,
        }
    }
    paragraph.close(number, &mut host)?;
    Ok(host)
}

impl<'a> Paragraph<'a> {
    fn take(&mut self, line: &'a [u8], number: usize) -> Result<(), InventoryError> {
        self.begun = true;
        let malformed = |what| InventoryError::Malformed { line: number, what };
        let colon = line.iter().position(|byte| *byte == b':').ok_or_else(|| malformed("field"))?;
        let (field, value) = (&line[..colon], &line[colon + 1..]);
        let slot = match field {
            b"Package" => &mut self.package,
            b"Status" => &mut self.status,
            b"Architecture" => &mut self.architecture,
            b"Version" => &mut self.version,
            b"Source" => &mut self.source,
            _ => return Ok(()),
        };
        // Two packages run together, as where a file was cut or glued.
        if slot.is_some() {
            return Err(malformed("empty line between packages"));
        }
        *slot = Some(std::str::from_utf8(value).map_err(|_| malformed("text"))?.trim_ascii());
        Ok(())
    }

    fn close(self, line: usize, host: &mut HostPackages) -> Result<(), InventoryError> {
        if !self.begun {
            return Ok(());
        }
        let malformed = |what| InventoryError::Malformed { line, what };
        let name = self.package.ok_or_else(|| malformed("field `Package`"))?;
        let (present, held) =
            self.status.and_then(status).ok_or_else(|| malformed("field `Status` with three words"))?;
        if !present {
            return Ok(());
        }
        let version = self.version.ok_or_else(|| malformed("field `Version`"))?;
        // Only a source whose name or version differs from the package's is written down.
        let (source, source_version) = match self.source.map(|source| source.split_once(" (")) {
            None => (name, version),
            Some(None) => (self.source.unwrap_or(name), version),
            Some(Some((source, rest))) => {
                (source, rest.strip_suffix(')').ok_or_else(|| malformed("field `Source`"))?)
            }
        };
        let package = InstalledPackage {
            name: name.to_owned(),
            architecture: self.architecture.unwrap_or_default().to_owned(),
            version: version.to_owned(),
            source: source.trim_ascii().to_owned(),
            source_version: source_version.to_owned(),
            held,
            in_use: None,
        };
        add(&mut host.packages, package, line)
    }
}

#[cfg(test)]
mod tests {
    use crate::inventory::{InventoryError, read};

    const BASH: &str = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-2+b7\nSource: bash (5.2.15-2)\n\
         Description: GNU shell\n with a second line: of text\n";

    #[test]
    fn reads_what_is_on_the_disk() {
        let text = format!(
            "{BASH}\nPackage: libssl3\nStatus: hold ok installed\nArchitecture: amd64\nMulti-Arch: same\nSource: openssl\nVersion: 3.0.15-1\n\n\n\
             Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n\
             Package: known\nStatus: unknown ok not-installed\nArchitecture: all\n\n\
             Package: half\nStatus: install reinstreq half-configured\nArchitecture: all\nVersion: 2\n"
        );
        let packages = read(text.as_bytes()).expect("an inventory").packages;
        let told: Vec<_> = packages
            .iter()
            .map(|p| (&*p.name, &*p.version, &*p.source, &*p.source_version, p.held))
            .collect();
        assert_eq!(
            told,
            [
                ("bash", "5.2.15-2+b7", "bash", "5.2.15-2", false),
                ("half", "2", "half", "2", false),
                ("libssl3", "3.0.15-1", "openssl", "3.0.15-1", true),
            ]
        );
    }

    #[test]
    fn what_is_not_understood_whole_is_refused() {
        for (text, fault) in [
            (format!("{BASH}Package: curl\nStatus: install ok installed\n"), "empty line between packages"),
            (format!("{BASH}\nPackage: curl\nStatus: install ok installed\n"), "field `Version`"),
            (format!("{BASH}\nPackage: curl\nStatus: inst"), "field `Status` with three words"),
            (format!("{BASH}\nPackage: curl\nVersion: 1\n"), "field `Status` with three words"),
            (format!("{BASH}\nStatus: install ok installed\nVersion: 1\n"), "field `Package`"),
            (format!("{BASH}\nPackage: cu rl\nStatus: install ok installed\nVersion: 1\n"), "package name"),
            (format!("{BASH}\nPackage: curl\nStatus: install ok installed\nVersion:\n"), "version"),
            (format!("{BASH}\nPackage"), "field"),
        ] {
            match read(text.as_bytes()) {
                Err(InventoryError::Malformed { what, line }) => assert_eq!((what, line > 7), (fault, true)),
                other => panic!("{fault}: {other:?}"),
            }
        }
        let gone = "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
        assert!(matches!(read(gone.as_bytes()), Err(InventoryError::Empty)));
    }
}
