//! Live patches of kernels: modules that replace vulnerable functions of the kernel that
//! runs. A notice (`LSN-…`) says which modules carry which fixes, and modules are cumulative:
//! one of a later version carries what the earlier ones did.
//!
//! A live patch ends with the boot. So the fix that lasts is still a new kernel.

use std::{collections::HashMap, sync::Arc};

use base::Release;
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::symbols::{Renumbering, Symbol, Symbols};

/// The most memory that the pattern of a module name may take when it is compiled. Real ones take
/// a few KB.
const PATTERN_BYTES: usize = 64 << 10;

/// A live-patch module that is loaded and in effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LivepatchModule {
    /// Its name, such as `lkp_Ubuntu_5_15_0_69_76_generic_99`.
    pub name: String,
    /// What the module says of itself, such as `99`; may be empty.
    pub version: String,
}

/// What a notice says of one CVE in one kernel source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LivepatchRow {
    pub release: Release,
    pub source: Symbol,
    pub cve: Symbol,
    pub notice: Symbol,
    /// The pattern of the names of modules for this kernel.
    pub module: Symbol,
    /// The first version of the module with the fix.
    pub version: u32,
}

impl LivepatchRow {
    /// The row in another table of symbols.
    pub fn moved(&self, renumbering: &Renumbering) -> Self {
        Self {
            source: renumbering.of(self.source),
            cve: renumbering.of(self.cve),
            notice: renumbering.of(self.notice),
            module: renumbering.of(self.module),
            ..*self
        }
    }
}

/// A fix by live patch, with its texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Livepatch {
    pub notice: Arc<str>,
    pub module: Arc<str>,
    pub version: u32,
}

/// The number of a [`Livepatch`] in [`Livepatches::list`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LivepatchNumber(u32);

/// The fixes by live patch: for each CVE in a kernel source the first one, as later modules carry it too.
#[derive(Debug, Default)]
pub(crate) struct Livepatches {
    list: Vec<Livepatch>,
    of: HashMap<(Release, Symbol, Symbol), LivepatchNumber>,
}

impl Livepatches {
    /// From rows in the symbols of the index.
    pub fn of(symbols: &Symbols, mut rows: Vec<LivepatchRow>) -> Self {
        rows.sort_by_key(|row| (row.version, row.notice));
        let mut known: HashMap<(Symbol, Symbol, u32), LivepatchNumber> = HashMap::new();
        let mut livepatches = Self::default();
        for row in rows {
            let number = *known.entry((row.notice, row.module, row.version)).or_insert_with(|| {
                livepatches.list.push(Livepatch {
                    notice: Arc::clone(symbols.text(row.notice)),
                    module: Arc::clone(symbols.text(row.module)),
                    version: row.version,
                });
                // There are far fewer than rows of notices, whose symbols are bounded alike.
                LivepatchNumber(u32::try_from(livepatches.list.len() - 1).unwrap_or(0))
            });
            livepatches.of.entry((row.release, row.source, row.cve)).or_insert(number);
        }
        livepatches
    }

    /// The fix of this CVE in this kernel source.
    pub fn find(&self, key: (Release, Symbol, Symbol)) -> Option<LivepatchNumber> {
        self.of.get(&key).copied()
    }

    pub fn get(&self, number: LivepatchNumber) -> &Livepatch {
        &self.list[number.0 as usize]
    }
}

/// The modules of a host, asked for many fixes.
pub(crate) struct Loaded<'a> {
    modules: &'a [LivepatchModule],
    /// For each pattern the highest version among the modules it fits.
    highest: HashMap<Arc<str>, Option<u32>>,
}

impl<'a> Loaded<'a> {
    pub fn new(modules: &'a [LivepatchModule]) -> Self {
        Self { modules, highest: HashMap::new() }
    }

    /// Whether one of the modules carries the fix.
    pub fn carries(&mut self, fix: &Livepatch) -> bool {
        if self.modules.is_empty() {
            return false;
        }
        let modules = self.modules;
        let highest = *self
            .highest
            .entry(Arc::clone(&fix.module))
            .or_insert_with_key(|pattern| highest_version(pattern, modules));
        highest.is_some_and(|version| version >= fix.version)
    }
}

/// A pattern that cannot be compiled fits nothing, which makes no host look safer.
fn highest_version(pattern: &str, modules: &[LivepatchModule]) -> Option<u32> {
    let pattern = format!("^(?:{pattern})$");
    let pattern = RegexBuilder::new(&pattern).unicode(false).size_limit(PATTERN_BYTES).build().ok()?;
    modules.iter().filter_map(|module| version(&pattern, module)).max()
}

/// The version that a module says of itself, else the one that ends its name.
fn version(pattern: &Regex, module: &LivepatchModule) -> Option<u32> {
    let parts = pattern.captures(module.name.as_bytes())?;
    let named = || std::str::from_utf8(parts.get(1)?.as_bytes()).ok()?.parse().ok();
    module.version.trim().parse().ok().or_else(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(module: &str, version: u32) -> Livepatch {
        Livepatch { notice: "LSN-0100-1".into(), module: module.into(), version }
    }

    #[test]
    fn a_module_is_known_by_name_and_carries_what_came_before() {
        let module =
            |name: &str, version: &str| LivepatchModule { name: name.into(), version: version.into() };
        let generic = r"lkp_Ubuntu_5_15_0[_|\d]+_(?:generic|lowlatency)_(\d+)";
        let loaded = [module("lkp_Ubuntu_5_15_0_69_76_generic_100", "")];
        let mut ours = Loaded::new(&loaded);
        assert!(ours.carries(&fix(generic, 99)) && ours.carries(&fix(generic, 100)));
        assert!(!ours.carries(&fix(generic, 101)));
        assert!(!ours.carries(&fix(r"lkp_Ubuntu_5_15_0[_|\d]+_aws_(\d+)", 99)));
        assert!(!ours.carries(&fix(r"lkp_Ubuntu_5_15", 1)), "the whole name has to fit");
        assert!(!ours.carries(&fix(r"lkp_(Ubuntu", 1)), "a broken pattern fits nothing");
        assert!(!ours.carries(&fix(r"lkp.{1,1000}{1,1000}", 1)), "nor does one that grows without bound");
        let stated = [module("lkp_Ubuntu_5_15_0_69_76_generic_1", "102")];
        assert!(Loaded::new(&stated).carries(&fix(generic, 102)));
        assert!(!Loaded::new(&[]).carries(&fix(".*", 0)));
    }
}
