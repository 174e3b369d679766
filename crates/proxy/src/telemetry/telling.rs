//! Exporters that say when the collector stops to take what they send, and why, and when it takes it again. The SDK says nothing.

use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::LogBatch;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::SpanData;
use reqwest::blocking::Client;

use crate::reason;

/// Why the last attempt over HTTP got no answer. The exporter's own error has but "network error" to say of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Reason(Arc<Mutex<Option<String>>>);

impl Reason {
    fn keep(&self, reason: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A client for an exporter that keeps the reason.
#[derive(Debug)]
pub(super) struct Keeping {
    pub(super) client: Client,
    pub(super) reason: Reason,
}

type Sending<'s> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 's>>;

impl HttpClient for Keeping {
    fn send_bytes<'c, 's>(&'c self, request: Request<Bytes>) -> Sending<'s>
    where
        'c: 's,
        Self: 's,
    {
        Box::pin(async move {
            let answer = self.client.send_bytes(request).await.map_err(without_url);
            self.reason.keep(answer.as_ref().err().map(|error| whole(error.as_ref())));
            answer
        })
    }
}

/// In the path of a collector's URL may be a secret, too.
fn without_url(error: HttpError) -> HttpError {
    error.downcast::<reqwest::Error>().map_or_else(|other| other, |error| error.without_url().into())
}

/// An error with its sources; by itself it says little.
pub(super) fn whole(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// An exporter, and whether its last attempt failed.
#[derive(Debug)]
pub(super) struct Telling<E> {
    exporter: E,
    reason: Reason,
    fails: AtomicBool,
}

impl<E> Telling<E> {
    /// One that did not fail yet.
    pub(super) fn new(exporter: E, reason: Reason) -> Self {
        Self { exporter, reason, fails: AtomicBool::new(false) }
    }

    fn told(&self, result: OTelSdkResult, what: &str) -> OTelSdkResult {
        let failed = self.fails.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !failed => {
                let error = reason::plain(&self.reason.take().unwrap_or_else(|| error.to_string()));
                tracing::warn!(error, "the collector takes no {what}; they are lost until it does");
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
