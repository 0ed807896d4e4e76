//! The names of metrics, resolved to handles.

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::table::{Kind, TABLE};

/// Resolves handles.
#[derive(Debug)]
pub(super) struct Registrar {
    recorder: PrometheusRecorder,
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

impl Registrar {
    /// Describes every family of [`TABLE`] that the exporter writes.
    pub(super) fn new(recorder: PrometheusRecorder) -> Self {
        for family in TABLE.iter() {
            match family.kind {
                Kind::Counter => recorder.describe_counter(family.name.into(), None, family.help.into()),
                Kind::Gauge => recorder.describe_gauge(family.name.into(), None, family.help.into()),
                Kind::Histogram => {}
            }
        }
        Self { recorder }
    }

    pub(super) fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        self.recorder.register_counter(&key(name, labels), &METADATA)
    }

    pub(super) fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        self.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    pub(super) fn build_info(&self, driver: &str) -> Gauge {
        let version = Label::new("version", env!("CARGO_PKG_VERSION"));
        let labels = vec![version, Label::new("driver", driver.to_owned())];
        self.recorder.register_gauge(&Key::from_parts("holdfast_build_info", labels), &METADATA)
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    Key::from_parts(
        name,
        labels.iter().map(|(label, value)| Label::new(*label, (*value).to_owned())).collect::<Vec<_>>(),
    )
}
