//! What new accounts and sessions are like: passwords, masks, limits, idle shells.
//!
//! Nobody signs in with a password on a host of ours; these hold for whoever makes an
//! account later. Root's password never expires: an expired one, even a locked one, would
//! refuse root's key and root's jobs too.

/// A setting of /etc/login.defs (login.defs(5)). Programs read this one file only, so it
/// is edited in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginDefault {
    /// Its name.
    pub key: &'static str,
    /// Its value.
    pub value: &'static str,
    /// Why.
    pub why: &'static str,
}

const fn set(key: &'static str, value: &'static str, why: &'static str) -> LoginDefault {
    LoginDefault { key, value, why }
}

/// Every setting.
pub const LOGIN_DEFAULTS: [LoginDefault; 7] = [
    set("UMASK", "027", "what somebody makes in a session is not for everyone to read"),
    set("PASS_MAX_DAYS", "365", "a password of a new account must not last for ever"),
    set("PASS_MIN_DAYS", "1", "an old password must not be had back by changing it many times in a row"),
    set("ENCRYPT_METHOD", "YESCRYPT", "stolen password hashes must cost much to try"),
    set("YESCRYPT_COST_FACTOR", "7", "stolen password hashes must cost much to try"),
    set("SHA_CRYPT_MIN_ROUNDS", "65536", "the same for a tool that still writes the older hashes"),
    set("SHA_CRYPT_MAX_ROUNDS", "65536", "the same for a tool that still writes the older hashes"),
];

/// Path of the limits.
pub(crate) const LIMITS_FILE: &str = "/etc/security/limits.d/99-holdfast.conf";

/// No core dumps, which hold secrets, and not so many processes that nobody gets in.
pub(crate) const LIMITS: &str =
    "# Written by Holdfast.\n* hard core 0\nroot hard core 0\n* hard nproc 16384\n* hard maxlogins 10\n";

/// Path of what login shells read. Named to come last.
pub(crate) const PROFILE_FILE: &str = "/etc/profile.d/zz-holdfast.sh";

/// Ten minutes: what the French agency's guide BP-028 asks for, which the audit goes by.
pub(crate) const PROFILE: &str = "# Written by Holdfast.\nulimit -c 0\ntypeset -xr TMOUT=600 2>/dev/null || { TMOUT=600; readonly TMOUT; export TMOUT; }\numask 027\n";

/// Path of the rules for new passwords, which pam_pwquality reads.
pub(crate) const PASSWORDS_FILE: &str = "/etc/security/pwquality.conf";

/// Long, of several kinds of characters, and unlike the name of the account.
pub(crate) const PASSWORDS: &str = "# Written by Holdfast.\nminlen = 15\nminclass = 4\nretry = 3\nucredit = -1\nlcredit = -1\ndcredit = -1\nocredit = -1\nusercheck = 1\nenforcing = 1\n";
