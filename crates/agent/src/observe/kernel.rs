//! The kernel that runs, the ones that are installed, and whose kernel it is.

use std::cmp::Ordering;

use wire::{Kernel, LivepatchModule, Virtualization};

use super::text;
use crate::tool::Tool;

pub(super) fn kernel() -> Kernel {
    let of = |name: &str| text::of(format!("/proc/sys/kernel/{name}")).unwrap_or_default().trim().to_owned();
    let installed = std::fs::read_dir("/boot").into_iter().flatten().filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let release = name.strip_prefix("vmlinuz-")?;
        // The rest of an upgrade that is going on.
        (!release.contains(".dpkg-")).then(|| release.to_owned())
    });
    Kernel {
        release: of("osrelease"),
        version: of("version"),
        newest_installed: installed.max_by(|a, b| compare_versions(a, b)),
        livepatches: livepatches(),
    }
}

/// The most modules reported; a kernel carries one or a few.
const LIVEPATCHES: usize = 64;

/// The modules that are in effect: enabled, and done with the transition of every task
/// (<https://docs.kernel.org/livepatch/livepatch.html>, "Sysfs").
fn livepatches() -> Vec<LivepatchModule> {
    let modules = std::fs::read_dir("/sys/kernel/livepatch").into_iter().flatten().flatten();
    let mut found: Vec<LivepatchModule> = modules
        .filter_map(|module| {
            let flag = |name: &str| text::of(module.path().join(name)).map(|flag| flag.trim() == "1");
            if flag("enabled") != Some(true) || flag("transition") == Some(true) {
                return None;
            }
            let name = module.file_name().into_string().ok()?;
            let version = text::of(format!("/sys/module/{name}/version")).unwrap_or_default();
            Some(LivepatchModule { name, version: version.trim().to_owned() })
        })
        .take(LIVEPATCHES)
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// `systemd-detect-virt`, or what PID 1 and the kernel give away where it is missing.
pub(super) async fn virtualization() -> Virtualization {
    // Exit code 1 with `none` means "not in a container".
    let container = Tool::new("/usr/bin/systemd-detect-virt").arg("--container").run().await;
    match container {
        Ok(printed) if printed.out.trim() != "none" && !printed.out.trim().is_empty() => {
            Virtualization::SharedKernel { kind: printed.out.trim().to_owned() }
        }
        Ok(_) => {
            let kind = match Tool::new("/usr/bin/systemd-detect-virt").arg("--vm").run().await {
                Ok(printed) => printed.out.trim().to_owned(),
                Err(_) => String::new(),
            };
            Virtualization::OwnKernel { kind }
        }
        Err(_) => match text::of("/run/systemd/container") {
            Some(kind) => Virtualization::SharedKernel { kind: kind.trim().to_owned() },
            None if std::path::Path::new("/.dockerenv").exists() => {
                Virtualization::SharedKernel { kind: "docker".to_owned() }
            }
            None => Virtualization::OwnKernel { kind: String::new() },
        },
    }
}

/// Compares kernel releases as `sort -V` does: runs of digits by number, the rest by
/// character. Enough for names that one distribution gives its kernels.
pub(super) fn compare_versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let (Some(x), Some(y)) = (a.first(), b.first()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (number_a, rest_a) = number(a);
            let (number_b, rest_b) = number(b);
            match number_a.len().cmp(&number_b.len()).then(number_a.cmp(number_b)) {
                Ordering::Equal => (a, b) = (rest_a, rest_b),
                other => return other,
            }
        } else if x == y {
            (a, b) = (&a[1..], &b[1..]);
        } else {
            return x.cmp(y);
        }
    }
    a.len().cmp(&b.len())
}

fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let zeros = text[..end].iter().position(|b| *b != b'0').unwrap_or(end);
    (&text[zeros..end], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_ordered_by_number() {
        assert_eq!(compare_versions("6.1.0-9-amd64", "6.1.0-40-amd64"), Ordering::Less);
        assert_eq!(compare_versions("6.8.0-101-generic", "6.8.0-99-generic"), Ordering::Greater);
        assert_eq!(compare_versions("6.1.0-40-amd64", "6.1.0-40-amd64"), Ordering::Equal);
        assert_eq!(compare_versions("5.15.0-1-amd64", "6.1.0-1-amd64"), Ordering::Less);
    }
}
