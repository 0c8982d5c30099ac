//! What changed from one reading of CISA's catalogue to the next. Entries do not only
//! come: deadlines and remarks of old ones change too.

use std::{collections::HashMap, sync::Arc};

use super::KevEntry;

/// The difference of two readings, each list in the order of the CVEs' names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KevDelta {
    /// CVEs that are listed now and were not.
    pub added: Vec<Arc<str>>,
    /// CVEs that were listed and are still, with other words or days.
    pub changed: Vec<KevChange>,
    /// CVEs that were listed and no longer are.
    pub removed: Vec<Arc<str>>,
}

/// An entry that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KevChange {
    /// The CVE.
    pub cve: Arc<str>,
    /// What is different; never empty.
    pub fields: Vec<KevField>,
}

/// A part of a [`KevEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KevField {
    /// [`KevEntry::date_added`].
    DateAdded,
    /// [`KevEntry::due_date`].
    DueDate,
    /// [`KevEntry::ransomware`].
    Ransomware,
    /// [`KevEntry::name`].
    Name,
    /// [`KevEntry::vendor`].
    Vendor,
    /// [`KevEntry::product`].
    Product,
    /// [`KevEntry::description`].
    Description,
    /// [`KevEntry::required_action`].
    RequiredAction,
    /// [`KevEntry::notes`].
    Notes,
    /// [`KevEntry::cwes`].
    Cwes,
    /// [`KevEntry::told_by`].
    ToldBy,
}

impl KevDelta {
    /// Compares two readings.
    pub fn between(
        before: &HashMap<Arc<str>, Arc<KevEntry>>,
        after: &HashMap<Arc<str>, Arc<KevEntry>>,
    ) -> Self {
        let mut delta = Self::default();
        for (cve, entry) in after {
            match before.get(cve) {
                None => delta.added.push(Arc::clone(cve)),
                Some(former) => {
                    let fields = differences(former, entry);
                    if !fields.is_empty() {
                        delta.changed.push(KevChange { cve: Arc::clone(cve), fields });
                    }
                }
            }
        }
        delta.removed.extend(before.keys().filter(|cve| !after.contains_key(*cve)).map(Arc::clone));
        delta.added.sort_unstable();
        delta.changed.sort_unstable_by(|a, b| a.cve.cmp(&b.cve));
        delta.removed.sort_unstable();
        delta
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// Every CVE whose findings have to be looked at again.
    pub fn cves(&self) -> impl Iterator<Item = &Arc<str>> {
        let changed = self.changed.iter().map(|change| &change.cve);
        self.added.iter().chain(changed).chain(&self.removed)
    }
}

fn differences(before: &KevEntry, after: &KevEntry) -> Vec<KevField> {
    // Taken apart in full, so that a new field cannot be forgotten here.
    let KevEntry {
        date_added,
        due_date,
        ransomware,
        name,
        vendor,
        product,
        description,
        required_action,
        notes,
        cwes,
        told_by,
    } = before;
    let compared = [
        (KevField::DateAdded, *date_added == after.date_added),
        (KevField::DueDate, *due_date == after.due_date),
        (KevField::Ransomware, *ransomware == after.ransomware),
        (KevField::Name, *name == after.name),
        (KevField::Vendor, *vendor == after.vendor),
        (KevField::Product, *product == after.product),
        (KevField::Description, *description == after.description),
        (KevField::RequiredAction, *required_action == after.required_action),
        (KevField::Notes, *notes == after.notes),
        (KevField::Cwes, *cwes == after.cwes),
        (KevField::ToldBy, *told_by == after.told_by),
    ];
    compared.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}
