//! TLS towards a collector: whose certificates it may have, and which one it is shown, as the standard `OTEL_*` variables say.
//! The SDK reads none of them.

use std::{fmt, fs};

use opentelemetry_otlp::tonic_types::transport::{self as tonic, ClientTlsConfig};
use reqwest::blocking::ClientBuilder;
use reqwest::{Certificate, Identity};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::otlp::TelemetryError;
use super::variables::{self, Signal, Variable};
use crate::reason;
use crate::upstream::roots;

/// What the files say that the variables name, in PEM. It was understood: no exporter fails on it.
#[derive(Default)]
pub(super) struct Tls {
    /// What is trusted instead of the platform's certificates.
    roots: Option<Vec<u8>>,
    /// The certificate that is shown, with those above it, and its key.
    own: Option<(Vec<u8>, Vec<u8>)>,
}

/// Without the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// That of a signal.
    pub(super) fn of(signal: Signal) -> Result<Self, TelemetryError> {
        let roots = match variables::certificate(signal) {
            None => None,
            Some(named) => {
                let pem = read(&named)?;
                roots::of_pem(&pem).map_err(|reason| unfit(&named, reason))?;
                Some(pem)
            }
        };
        let own = match (variables::client_certificate(signal), variables::client_key(signal)) {
            (None, None) => None,
            (Some(chain), Some(key)) => Some(own(&chain, &key)?),
            (Some(chain), None) => {
                return Err(variables::wrong(chain, "its key in OTEL_EXPORTER_OTLP_CLIENT_KEY, too"));
            }
            (None, Some(key)) => {
                let expected = "its certificate in OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, too";
                return Err(variables::wrong(key, expected));
            }
        };
        Ok(Self { roots, own })
    }

    /// For an exporter over HTTP.
    pub(super) fn http(&self, client: ClientBuilder) -> Result<ClientBuilder, reqwest::Error> {
        let client = match &self.roots {
            Some(pem) => client.tls_certs_only(Certificate::from_pem_bundle(pem)?),
            None => client,
        };
        Ok(match &self.own {
            Some((chain, key)) => {
                client.identity(Identity::from_pem(&[chain.as_slice(), b"\n", key].concat())?)
            }
            None => client,
        })
    }

    /// For an exporter over gRPC. The SDK's own configuration would trust nobody.
    pub(super) fn grpc(&self) -> ClientTlsConfig {
        let config = ClientTlsConfig::new();
        let config = match &self.roots {
            Some(pem) => config.ca_certificate(tonic::Certificate::from_pem(pem)),
            None => config.with_enabled_roots(),
        };
        match &self.own {
            Some((chain, key)) => config.identity(tonic::Identity::from_pem(chain, key)),
            None => config,
        }
    }
}

/// A certificate and the key to it.
fn own(chain: &Variable, key: &Variable) -> Result<(Vec<u8>, Vec<u8>), TelemetryError> {
    let (certificates, secret) = (read(chain)?, read(key)?);
    let parsed: Vec<_> = CertificateDer::pem_slice_iter(&certificates)
        .collect::<Result<_, _>>()
        .map_err(|error| unfit(chain, error.to_string()))?;
    if parsed.is_empty() {
        return Err(unfit(chain, "there is no certificate in it".to_owned()));
    }
    let parsed_key = PrivateKeyDer::from_pem_slice(&secret)
        .map_err(|_| unfit(key, "there is no private key in it".to_owned()))?;
    CertifiedKey::from_der(parsed, parsed_key, &aws_lc_rs::default_provider()).map_err(
        |error| match error {
            rustls::Error::InconsistentKeys(_) => {
                unfit(key, format!("it is not the key to the certificate of {}", chain.0))
            }
            error => unfit(key, error.to_string()),
        },
    )?;
    Ok((certificates, secret))
}

fn read(named: &Variable) -> Result<Vec<u8>, TelemetryError> {
    fs::read(&named.1).map_err(|error| unfit(named, reason::of(&error)))
}

/// That a file is of no use.
fn unfit(named: &Variable, reason: String) -> TelemetryError {
    TelemetryError::File { name: named.0, path: named.1.clone(), reason }
}
