//! Rows of `dpkg-query`, separated by tabs. The first line names the release, the running
//! kernel and the columns: `# family=debian release=12 running_kernel=… kernel_version=…
//! columns=db:Status-Want/Status/State,Package,Version,…`. Columns that are not known are
//! skipped; `candidate(apt)` is one of them, as what was on offer then is not what is now.

use base::Release;

use super::{InventoryError, add, status};
use crate::{
    host::{HostPackages, InstalledPackage},
    kernel::RunningKernel,
};

/// Where each column stands in a row.
struct Columns {
    status: Option<usize>,
    package: usize,
    version: usize,
    architecture: Option<usize>,
    source: Option<usize>,
    source_version: Option<usize>,
}

impl Columns {
    fn named(list: &str) -> Result<Self, InventoryError> {
        let place = |name: &str| list.split(',').position(|column| column.starts_with(name));
        let missing = |what| InventoryError::Malformed { line: 1, what };
        Ok(Self {
            status: place("db:Status"),
            package: place("Package").ok_or_else(|| missing("column `Package`"))?,
            version: place("Version").ok_or_else(|| missing("column `Version`"))?,
            architecture: place("Architecture"),
            source: place("source:Package"),
            source_version: place("source:Version"),
        })
    }
}

pub(super) fn read(text: &[u8]) -> Result<HostPackages, InventoryError> {
    let text = std::str::from_utf8(text)
        .map_err(|error| InventoryError::Malformed { line: lines_before(text, error), what: "text" })?;
    let (head, rows) = text.split_once('\n').unwrap_or((text, ""));
    let field = |key: &str| {
        let found = head.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        found.filter(|value| !value.is_empty())
    };
    let missing = || InventoryError::Malformed { line: 1, what: "list of columns (`columns=…`)" };
    let columns = Columns::named(field("columns").ok_or_else(missing)?)?;
    let mut host = HostPackages {
        release: field("family")
            .zip(field("release"))
            .and_then(|(family, release)| Release::from_os_release(family, release)),
        kernel: RunningKernel {
            release: field("running_kernel").unwrap_or_default().to_owned(),
            package_version: field("kernel_version").map(str::to_owned),
            ..RunningKernel::default()
        },
        ..HostPackages::default()
    };
    for (row, number) in rows.lines().zip(2..) {
        if !row.is_empty() {
            take(&columns, row, number, &mut host.packages)?;
        }
    }
    Ok(host)
}

fn take(
    columns: &Columns,
    row: &str,
    line: usize,
    packages: &mut Vec<InstalledPackage>,
) -> Result<(), InventoryError> {
    let cells: Vec<&str> = row.split('\t').collect();
    let cell = |at: usize, what| {
        cells.get(at).copied().filter(|text| !text.is_empty()).ok_or(InventoryError::Malformed { line, what })
    };
    let optional = |at: Option<usize>| at.and_then(|at| cell(at, "").ok());
    let mut held = false;
    if let Some(at) = columns.status {
        let malformed = InventoryError::Malformed { line, what: "status of three words" };
        let present;
        (present, held) = status(cell(at, "status of three words")?).ok_or(malformed)?;
        if !present {
            return Ok(());
        }
    }
    let (name, version) = (cell(columns.package, "package name")?, cell(columns.version, "version")?);
    let package = InstalledPackage {
        name: name.to_owned(),
        architecture: optional(columns.architecture).unwrap_or_default().to_owned(),
        version: version.to_owned(),
        source: optional(columns.source).unwrap_or(name).to_owned(),
        source_version: optional(columns.source_version).unwrap_or(version).to_owned(),
        held,
        in_use: None,
    };
    add(packages, package, line)
}

fn lines_before(text: &[u8], error: std::str::Utf8Error) -> usize {
    text[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use base::Release;

    use crate::inventory::{InventoryError, read};

    const HEAD: &str = "# family=ubuntu release=24.04 running_kernel=6.8.0-31-generic kernel_version= scanned=2026-01-02 columns=db:Status-Want/Status/State,Package,Version,Architecture,source:Package,source:Version,candidate(apt)\n";

    #[test]
    fn reads_the_columns_that_the_first_line_names() {
        let rows = "hold ok installed\tlibc6\t2.39-0ubuntu8\tamd64\tglibc\t2.39-0ubuntu8\t2.39-0ubuntu8.4\n\
            deinstall ok config-files\tgone\t1\t\tgone\t1\t\n\n\
            install ok installed\tbash\t5.2.21-2ubuntu4\t\tbash\t5.2.21-2ubuntu4\t\n";
        let host = read(format!("{HEAD}{rows}").as_bytes()).expect("an inventory");
        assert_eq!(host.release, Some(Release::Ubuntu2404));
        assert_eq!((&*host.kernel.release, host.kernel.package_version), ("6.8.0-31-generic", None));
        let names: Vec<_> = host.packages.iter().map(|p| (&*p.name, &*p.source, p.held)).collect();
        assert_eq!(names, [("bash", "bash", false), ("libc6", "glibc", true)]);
        assert!(host.pending.is_none());

        let other = "# columns=Version,Package\n1.0\tbash\n";
        let host = read(other.as_bytes()).expect("an inventory");
        assert_eq!((host.release, &*host.packages[0].source_version), (None, "1.0"));
    }

    #[test]
    fn a_broken_row_is_named_by_its_line() {
        for (rows, at) in [
            ("install ok installed\tbash\n", 2),
            ("install ok installed\tbash\t1\nrubbish\tbash\t1\n", 3),
            ("install ok installed\tba sh\t1\n", 2),
        ] {
            match read(format!("{HEAD}{rows}").as_bytes()) {
                Err(InventoryError::Malformed { line, .. }) => assert_eq!(line, at, "{rows}"),
                other => panic!("{rows}: {other:?}"),
            }
        }
        assert!(matches!(read(b"# notes\n"), Err(InventoryError::Malformed { line: 1, .. })));
        assert!(matches!(read(HEAD.as_bytes()), Err(InventoryError::Empty)));
        assert!(matches!(read(b"<!DOCTYPE html>"), Err(InventoryError::Unknown { .. })));
        assert!(matches!(read(b""), Err(InventoryError::Empty)));
        assert!(matches!(read(b"\x28\xb5\x2f\xfd\x00"), Err(InventoryError::Damaged { .. })));
    }
}
