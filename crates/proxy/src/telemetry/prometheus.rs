//! Metrics as Prometheus reads them: its text format, version 0.0.4.

use std::fmt::{Display, Write};
use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, Temporality};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Reads all metrics when somebody asks for them.
#[derive(Debug, Clone, Default)]
pub struct Scrape(Arc<ManualReader>);

impl Scrape {
    /// The text, as of now; nothing when the process ends.
    pub fn text(&self) -> String {
        let mut metrics = ResourceMetrics::default();
        let mut text = String::new();
        if self.0.collect(&mut metrics).is_ok() {
            // Writing to a string does not fail.
            _ = write_all(&mut text, &metrics);
        }
        text
    }
}

/// The provider takes its reader for itself; this one is shared.
impl MetricReader for Scrape {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, _: InstrumentKind) -> Temporality {
        Temporality::Cumulative
    }
}

fn write_all(text: &mut String, metrics: &ResourceMetrics) -> std::fmt::Result {
    write_target(text, metrics.resource())?;
    for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
        match metric.data() {
            AggregatedMetrics::F64(data) => write_metric(text, metric, data)?,
            AggregatedMetrics::U64(data) => write_metric(text, metric, data)?,
            AggregatedMetrics::I64(data) => write_metric(text, metric, data)?,
        }
    }
    Ok(())
}

/// Who this is, in the way of OpenTelemetry: a metric that is always 1.
fn write_target(text: &mut String, resource: &Resource) -> std::fmt::Result {
    let labels = labels(resource.iter());
    writeln!(text, "# HELP target_info Target metadata\n# TYPE target_info gauge\ntarget_info{{{labels}}} 1")
}

fn write_metric<T: Copy + Display>(
    text: &mut String,
    metric: &Metric,
    data: &MetricData<T>,
) -> std::fmt::Result {
    let mut name = metric.name().replace('.', "_");
    name.push_str(match metric.unit() {
        "s" => "_seconds",
        "By" => "_bytes",
        _ => "",
    });
    let (kind, mut lines) = match data {
        MetricData::Gauge(gauge) => {
            let points = gauge.data_points().map(|point| (labels(pairs(point.attributes())), point.value()));
            ("gauge", points.map(|(labels, value)| line(&name, &labels, value)).collect::<Vec<_>>())
        }
        MetricData::Sum(sum) => {
            let kind = if sum.is_monotonic() { "counter" } else { "gauge" };
            if sum.is_monotonic() {
                name.push_str("_total");
            }
            let points = sum.data_points().map(|point| (labels(pairs(point.attributes())), point.value()));
            (kind, points.map(|(labels, value)| line(&name, &labels, value)).collect())
        }
        MetricData::Histogram(histogram) => {
            ("histogram", histogram.data_points().map(|point| buckets(&name, point)).collect())
        }
        // No instrument here makes one.
        MetricData::ExponentialHistogram(_) => return Ok(()),
    };
    // Their order in the SDK is that of a hash.
    lines.sort_unstable();
    writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", metric.description())?;
    lines.iter().try_for_each(|line| text.write_str(line))
}

fn line(name: &str, labels: &str, value: impl Display) -> String {
    if labels.is_empty() { format!("{name} {value}\n") } else { format!("{name}{{{labels}}} {value}\n") }
}

/// The lines of one histogram; each bucket holds those before it, too.
fn buckets<T: Copy + Display>(name: &str, point: &HistogramDataPoint<T>) -> String {
    let labels = labels(pairs(point.attributes()));
    let before = if labels.is_empty() { String::new() } else { format!("{labels},") };
    let bounds = point.bounds().map(|bound| bound.to_string()).chain(["+Inf".to_owned()]);
    let mut sum = 0;
    let mut text = String::new();
    for (bound, count) in bounds.zip(point.bucket_counts()) {
        sum += count;
        text.push_str(&line(&format!("{name}_bucket"), &format!("{before}le=\"{bound}\""), sum));
    }
    text.push_str(&line(&format!("{name}_sum"), &labels, point.sum()));
    text.push_str(&line(&format!("{name}_count"), &labels, point.count()));
    text
}

fn pairs<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> impl Iterator<Item = (&'a Key, &'a Value)> {
    attributes.map(|pair| (&pair.key, &pair.value))
}

/// `name="value"` with commas between them, sorted.
fn labels<'a>(pairs: impl Iterator<Item = (&'a Key, &'a Value)>) -> String {
    let mut labels: Vec<String> = pairs
        .map(|(key, value)| format!("{}=\"{}\"", label_name(key.as_str()), escaped(&value.to_string())))
        .collect();
    labels.sort_unstable();
    labels.join(",")
}

/// What Prometheus takes as a name.
fn label_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let digit = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
    format!("{digit}{}", name.chars().map(plain).collect::<String>())
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::SdkMeterProvider;

    use super::*;

    #[test]
    fn the_text_of_each_kind() {
        let scrape = Scrape::default();
        let resource = Resource::builder_empty().with_attribute(KeyValue::new("service.name", "a\"b\\c\nd"));
        let provider =
            SdkMeterProvider::builder().with_reader(scrape.clone()).with_resource(resource.build()).build();
        let meter = provider.meter("test");
        let histogram = meter.f64_histogram("a.time").with_unit("s").with_description("How long.");
        let histogram = histogram.with_boundaries(vec![0.5, 1.0]).build();
        histogram.record(0.25, &[]);
        histogram.record(0.75, &[]);
        histogram.record(2.0, &[]);
        let counter = meter.u64_counter("a.count").with_unit("{thing}").with_description("How many.").build();
        counter.add(2, &[KeyValue::new("z", "2"), KeyValue::new("a.b", 1)]);
        counter.add(3, &[KeyValue::new("1z", "1")]);
        let gauge = meter.u64_observable_gauge("a.size").with_unit("By").with_description("How much.");
        gauge.with_callback(|observer| observer.observe(7, &[])).build();
        let expected = "\
# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_name=\"a\\\"b\\\\c\\nd\"} 1
# HELP a_time_seconds How long.
# TYPE a_time_seconds histogram
a_time_seconds_bucket{le=\"0.5\"} 1
a_time_seconds_bucket{le=\"1\"} 2
a_time_seconds_bucket{le=\"+Inf\"} 3
a_time_seconds_sum 3
a_time_seconds_count 3
# HELP a_count_total How many.
# TYPE a_count_total counter
a_count_total{_1z=\"1\"} 3
a_count_total{a_b=\"1\",z=\"2\"} 2
# HELP a_size_bytes How much.
# TYPE a_size_bytes gauge
a_size_bytes 7
";
        assert_eq!(scrape.text(), expected);
        provider.shutdown().unwrap();
        assert_eq!(scrape.text(), "");
    }
}
