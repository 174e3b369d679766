//! Exporters that say when the collector stops to take what they send, and when it takes it again. The SDK says nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::LogBatch;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::SpanData;

/// An exporter, and whether its last attempt failed.
#[derive(Debug)]
pub(super) struct Telling<E> {
    exporter: E,
    fails: AtomicBool,
}

impl<E> Telling<E> {
    /// One that did not fail yet.
    pub(super) fn new(exporter: E) -> Self {
        Self { exporter, fails: AtomicBool::new(false) }
    }

    fn told(&self, result: OTelSdkResult, what: &str) -> OTelSdkResult {
        let failed = self.fails.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !failed => {
                tracing::warn!(%error, "the collector takes no {what}; they are lost until it does");
            }
            Ok(()) if failed => tracing::info!("the collector takes {what} again"),
            _ => {}
        }
        result
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Telling<SpanExporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.told(self.exporter.export(batch).await, "spans")
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl opentelemetry_sdk::logs::LogExporter for Telling<LogExporter> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        // What is said here is not sent itself: the SDK keeps its exporters' own lines from coming around.
        self.told(self.exporter.export(batch).await, "log lines")
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl PushMetricExporter for Telling<MetricExporter> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.told(self.exporter.export(metrics).await, "metrics")
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
