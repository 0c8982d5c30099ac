//! Reads the lines apt writes to `APT::Status-Fd` (apt's `README.progress-reporting`):
//!
//! ```text
//! pmstatus:libperl5.36:12.5:Unpacking libperl5.36 (amd64)
//! pmerror:/tmp/apt-dpkg-install-x/3-lab.deb:53.19:new lab package pre-installation script ...
//! dlstatus:1:50.0:Retrieving file 1 of 2
//! ```

/// One line of progress.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Work goes on.
    Progress {
        /// 0 to 100.
        percent: f32,
        /// In apt's words.
        message: String,
    },
    /// A package failed. The first such line names the cause; later ones are its victims.
    Failed {
        /// A package, or the path of its file.
        subject: String,
        /// In apt's words.
        message: String,
    },
}

/// Reads one line; none for kinds that tell nothing to a waiting person.
pub fn parse(line: &str) -> Option<Step> {
    let (kind, rest) = line.split_once(':')?;
    let (subject, percent, message) = fields(rest)?;
    let message = message.trim().to_owned();
    match kind {
        "pmstatus" | "dlstatus" => Some(Step::Progress { percent, message }),
        "pmerror" => Some(Step::Failed { subject: package(subject), message }),
        _ => None,
    }
}

/// Subject, percent, message. The subject may contain colons: `libc6:i386`.
fn fields(rest: &str) -> Option<(&str, f32, &str)> {
    let mut ends = rest.match_indices(':').map(|(at, _)| at);
    let mut start = ends.next()?;
    for end in ends {
        if let Ok(percent) = rest[start + 1..end].parse::<f32>() {
            return Some((&rest[..start], percent, &rest[end + 1..]));
        }
        start = end;
    }
    None
}

/// The package of a subject. A package file is named by its path, and its name ends
/// at the first underscore.
fn package(subject: &str) -> String {
    let Some((_, file)) = subject.rsplit_once('/') else { return subject.to_owned() };
    let name = file.split('_').next().unwrap_or(file);
    // apt numbers the files it hands to dpkg: `12-libfoo_1_amd64.deb`.
    match name.split_once('-') {
        Some((number, rest))
            if subject.contains("apt-dpkg-install") && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            rest.to_owned()
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_progress_and_the_cause_of_a_failure() {
        assert_eq!(
            parse("pmstatus:libperl5.36:12.5:Unpacking libperl5.36 (amd64)"),
            Some(Step::Progress { percent: 12.5, message: "Unpacking libperl5.36 (amd64)".into() })
        );
        let failed = |line: &str| match parse(line) {
            Some(Step::Failed { subject, .. }) => subject,
            other => format!("{other:?}"),
        };
        assert_eq!(failed("pmerror:libc6:i386:72.9:exit status: 1"), "libc6:i386");
        assert_eq!(failed("pmerror:/tmp/apt-dpkg-install-Qx/03-lab-a_1.1_all.deb:5.1:new lab-a"), "lab-a");
        assert_eq!(failed("pmerror:/var/lib/x/lab-b_1.1_all.deb:5.1:x"), "lab-b");
        assert_eq!(parse("media-change: x"), None);
        assert_eq!(parse("pmstatus::"), None);
    }
}
