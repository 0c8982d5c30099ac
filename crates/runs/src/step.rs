//! Steps: an enum in running order whose names are stored.

use std::fmt::Debug;

/// One step of a program. The order of the variants is the running order, which
/// deadlines rely on. Names are stored, so renaming one needs a migration.
pub trait Step: Copy + Ord + Debug + Send + Sync + 'static {
    /// Every step, in running order.
    const ALL: &'static [Self];

    /// The stored name, such as `take_snapshot`.
    fn name(self) -> &'static str;

    /// What a person reads, such as "Take a snapshot".
    fn title(self) -> &'static str;

    /// The step with this stored name.
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|step| step.name() == name)
    }
}

/// Declares the steps of a program, in running order:
/// `steps! { /// doc pub enum Step { CheckHost = "check_host" => "Check the host", } }`.
#[macro_export]
macro_rules! steps {
    ($(#[$doc:meta])* $vis:vis enum $name:ident {
        $($(#[$step_doc:meta])* $variant:ident = $text:literal => $title:literal,)+
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        $vis enum $name { $($(#[$step_doc])* $variant,)+ }

        impl $crate::Step for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}
