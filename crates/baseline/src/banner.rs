//! The words that stand before a sign-in. They give nothing away of the host, and leave
//! nobody to say that they did not know.

/// Where the words are written: before the console's sign-in and before SSH's.
pub(crate) const BANNER_FILES: [&str; 2] = ["/etc/issue", "/etc/issue.net"];

/// The words.
pub(crate) const BANNER: &str = "\
This is a private system for authorized users only. Access without permission is prohibited.
All activity is monitored and logged, and may be reported to the police.
";
