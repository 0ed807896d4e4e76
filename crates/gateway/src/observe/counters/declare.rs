//! From one declaration: a shard's counters, and the metrics that they are.

use std::fmt;

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// The present value.
    Gauge,
    /// Counts by upper bound.
    Histogram,
}

impl Kind {
    /// The word in TYPE lines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric and all its label values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Name, with base unit, and `_total` for counters.
    pub name: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub help: &'static str,
}

/// What the shards' numbers make together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Sum,
    /// The greatest: each shard counts the same things.
    Most,
}

/// One number of a metric, and where the counters `C` of a shard have it.
pub(crate) struct Sample<C> {
    pub(crate) family: Family,
    /// Values of its labels.
    pub(crate) values: &'static [&'static str],
    pub(crate) over: Over,
    pub(crate) read: Box<dyn Fn(&C) -> u64 + Send>,
}

impl<C> fmt::Debug for Sample<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.family.name, self.values)
    }
}

/// Declares counters, in rows that end with a semicolon. A row is a metric as docs/metrics.md has it, with whatever a
/// shard counts for it:
///
/// - `{ field, field ("value") }`: one number each, by the values of the metric's labels;
/// - `from ["value"] (function)`: one number that is worked out;
/// - `over Most`: each shard counts the same, so that shards are not added up;
/// - `holds { field: Type = default }`: what is shown in another way;
/// - `group field: Counters`, instead of a metric: counters that were declared apart.
macro_rules! counters {
    (
        $(#[doc = $about:literal])+
        $name:ident;
        $(
            $(
                family($kind:ident, $metric:literal, &[$($label:literal),*], $help:literal $(,)?)
                $(from [$($from_value:literal),*] ($from:path))?
                $(over $over:ident)?
                $({ $($(#[doc = $doc:literal])+ $field:ident $(($($value:literal),+))?,)+ })?
            )?
            $(holds { $($(#[doc = $held_doc:literal])+ $held:ident: $held_type:ty $(= $default:expr)?,)+ })?
            $(group $(#[doc = $group_doc:literal])+ $group:ident: $group_type:ident)?
            ;
        )+
    ) => {
        $(#[doc = $about])+
        #[derive(Debug)]
        pub struct $name {
            $(
                $($($($(#[doc = $doc])+ pub $field: Count,)+)?)?
                $($($(#[doc = $held_doc])+ pub $held: $held_type,)+)?
                $($(#[doc = $group_doc])+ pub $group: $group_type,)?
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $(
                        $($($($field: Count::default(),)+)?)?
                        $($($held: counters!(@default $($default)?),)+)?
                        $($group: $group_type::default(),)?
                    )+
                }
            }
        }

        impl $name {
            /// The metrics, in order.
            pub(crate) fn families() -> Vec<Family> {
                let rows: Vec<Vec<Family>> = vec![$(
                    counters!(@row
                        $([Family { name: $metric, kind: Kind::$kind, labels: &[$($label),*], help: $help }])?
                        $($group_type::families())?
                    ),
                )+];
                rows.concat()
            }

            /// The numbers of `C`, of which `of` gives these counters.
            // Not every metric has one.
            #[allow(unused_variables)]
            pub(crate) fn samples<C>(of: impl Fn(&C) -> &Self + Copy + Send + 'static) -> Vec<Sample<C>> {
                let rows: Vec<Vec<Sample<C>>> = vec![$(
                    counters!(@row
                        $({
                            let family =
                                Family { name: $metric, kind: Kind::$kind, labels: &[$($label),*], help: $help };
                            let over = counters!(@over $($over)?);
                            [
                                $($(Sample {
                                    family,
                                    values: &[$($($value),+)?],
                                    over,
                                    read: Box::new(move |all: &C| of(all).$field.get()),
                                },)+)?
                                $(Sample {
                                    family,
                                    values: &[$($from_value),*],
                                    over,
                                    read: Box::new(move |all: &C| $from(of(all))),
                                },)?
                            ]
                        })?
                        $($group_type::samples(move |all: &C| &of(all).$group))?
                    ),
                )+];
                rows.into_iter().flatten().collect()
            }
        }
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    (@over) => { $crate::counters::Over::Sum };
    (@over $over:ident) => { $crate::counters::Over::$over };
    (@row) => { Vec::new() };
    (@row $row:expr) => { Vec::from($row) };
}
pub(super) use counters;
