//! What makes traces, metrics and the log, and sends them: set up at the start of the process, flushed at its end.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::logs::LogRecord as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{BatchLogProcessor, LogProcessor, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::metrics::Instruments;
use super::otlp::{Grpc, Route, TelemetryError};
use super::prometheus::Scrape;
use super::telling::Telling;
use super::traces::Traces;
use super::variables::{self, Signal};
use crate::config::Otlp;

/// The longest that the end of the process waits for a collector, for all that is to be sent.
const FLUSH: Duration = Duration::from_secs(2);

/// The providers; [`shutdown`](Self::shutdown) sends what they still have.
#[derive(Debug)]
pub struct Providers {
    /// There is none where traces go nowhere.
    tracer: Option<SdkTracerProvider>,
    meter: SdkMeterProvider,
    /// There is none where the log is on standard error alone.
    logger: Option<SdkLoggerProvider>,
    scrape: Scrape,
    _grpc: Grpc,
}

impl Providers {
    /// Starts them. Metrics are always kept, for those who ask, and the log is on standard error; they and traces are sent
    /// where the configuration or the variables say.
    pub fn start(configured: Option<&Otlp>) -> Result<Self, TelemetryError> {
        let mut grpc = Grpc::default();
        let route = |signal| Route::of(signal, configured);
        let (spans, metrics, lines) = (route(Signal::Traces)?, route(Signal::Metrics)?, route(Signal::Logs)?);
        let resource = resource();
        let tracer = match spans {
            None => None,
            Some(route) => {
                let reason = route.reason();
                let exporter = Telling::new(route.spans(&mut grpc)?, reason);
                let builder = SdkTracerProvider::builder().with_batch_exporter(exporter);
                Some(builder.with_resource(resource.clone()).build())
            }
        };
        let logger = match lines {
            None => None,
            Some(route) => {
                let reason = route.reason();
                let exporter = Telling::new(route.logs(&mut grpc)?, reason);
                let processor = BatchLogProcessor::builder(exporter).build();
                let builder = SdkLoggerProvider::builder().with_log_processor(Nameless);
                Some(builder.with_log_processor(processor).with_resource(resource.clone()).build())
            }
        };
        let scrape = Scrape::default();
        let mut meter = SdkMeterProvider::builder().with_reader(scrape.clone()).with_resource(resource);
        if let Some(route) = metrics {
            let reason = route.reason();
            let exporter = Telling::new(route.metrics(&mut grpc)?, reason);
            meter = meter.with_reader(PeriodicReader::builder(exporter).build());
        }
        Ok(Self { tracer, meter: meter.build(), logger, scrape, _grpc: grpc })
    }

    /// Refuses, as [`start`](Self::start) does, what the variables say and nobody understands; nothing is started.
    pub fn check(configured: Option<&Otlp>) -> Result<(), TelemetryError> {
        for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
            Route::of(signal, configured)?;
        }
        Ok(())
    }

    /// What keeps traces from going anywhere, if they go nowhere.
    pub fn untraced(&self, configured: Option<&Otlp>) -> Option<&'static str> {
        if self.tracer.is_some() {
            None
        } else if configured.is_none() && variables::endpoint(Signal::Traces).is_none() {
            Some("set telemetry.otlp.endpoint or OTEL_EXPORTER_OTLP_ENDPOINT")
        } else {
            Some("OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER says so")
        }
    }

    /// Makes the spans of requests.
    pub fn traces(&self) -> Traces {
        Traces::new(self.tracer.as_ref())
    }

    /// What sends the log, if it goes anywhere.
    pub fn logger(&self) -> Option<&SdkLoggerProvider> {
        self.logger.as_ref()
    }

    /// Makes the instruments.
    pub fn instruments(&self) -> Instruments {
        Instruments::new(&self.meter)
    }

    /// Reads the metrics.
    pub fn scrape(&self) -> Scrape {
        self.scrape.clone()
    }

    /// Sends what is left, for two seconds at most, whatever the collector does.
    pub fn shutdown(self) {
        let end = Instant::now() + FLUSH;
        let tracer = self.tracer.clone().map(|tracer| flush(move || tracer.shutdown_with_timeout(FLUSH)));
        let meter = self.meter.clone();
        let meter = flush(move || meter.shutdown_with_timeout(FLUSH));
        // All that was said is in it; what is said from here on is on standard error alone.
        let logger = self.logger.clone().map(|logger| flush(move || logger.shutdown_with_timeout(FLUSH)));
        let sent = |done: mpsc::Receiver<bool>| {
            done.recv_timeout(end.saturating_duration_since(Instant::now())).unwrap_or(false)
        };
        if !tracer.is_none_or(sent) {
            tracing::warn!("not all spans could be sent to the collector");
        }
        if !sent(meter) {
            tracing::warn!("the last metrics could not be sent to the collector");
        }
        if !logger.is_none_or(sent) {
            tracing::warn!("not all log lines could be sent to the collector");
        }
    }
}

/// A line of the log is no event of a known kind; the name that `tracing` gives it is its place in the source.
#[derive(Debug)]
struct Nameless;

impl LogProcessor for Nameless {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        record.set_event_name("");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Flushes on a thread of its own: a shutdown that waits for itself must not hold up the process. If there is no such
/// thread, the receiver hears that nobody will send.
fn flush(work: impl FnOnce() -> OTelSdkResult + Send + 'static) -> mpsc::Receiver<bool> {
    let (done, waiting) = mpsc::channel();
    _ = thread::Builder::new().name("telemetry-flush".to_owned()).spawn(move || {
        // Nobody waits any more if the time is over.
        _ = done.send(work().is_ok());
    });
    waiting
}

/// Who speaks: what the variables say, else what the program is. `OTEL_SERVICE_NAME` must win over a `service.name` in
/// `OTEL_RESOURCE_ATTRIBUTES`, and in the SDK it does not; a builder value wins over both.
fn resource() -> Resource {
    let given = variables::resource_names();
    let is_given = |name: &str| given.iter().any(|given| given == name);
    let service = match variables::service_name() {
        None if is_given("service.name") => None,
        name => Some(name.unwrap_or_else(|| "patchgate".to_owned())),
    };
    let version = (!is_given("service.version")).then(|| env!("CARGO_PKG_VERSION").to_owned());
    let own = [("service.name", service), ("service.version", version)];
    let own = own.into_iter().filter_map(|(name, value)| Some(KeyValue::new(name, value?)));
    Resource::builder().with_attributes(own).build()
}
