//! Where Graph is: scheme, authority and path prefix, from the configuration alone.

use std::borrow::Cow;

use http::HeaderValue;
use http::uri::{Authority, Uri};
use patchgate_model::Cloud;
use rustls::pki_types::ServerName;

use crate::authority;

/// An upstream's base URL, taken apart.
#[derive(Debug, Clone)]
pub struct Origin {
    authority: Authority,
    port: u16,
    host_field: HeaderValue,
    prefix: String,
    base: String,
    /// The base with the port of its scheme, where that goes without saying.
    spelled_out: Option<String>,
    tls: Option<ServerName<'static>>,
}

/// Why a URL is no upstream.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// It is not a base URL.
    #[error("'{0}' is not a base URL: {1}")]
    NotABase(String, &'static str),
    /// It is cleartext to another machine.
    #[error("'{0}' is cleartext to an address that is not loopback, and tokens would be readable on the way")]
    Cleartext(String),
}

impl Origin {
    /// A cloud of Graph.
    pub fn of_cloud(cloud: Cloud) -> Result<Self, OriginError> {
        Self::parse(&format!("https://{}", cloud.host()), false)
    }

    /// Reads a base URL. A path in it is kept as a prefix. Cleartext is accepted to loopback, elsewhere only if `insecure`.
    pub fn parse(url: &str, insecure: bool) -> Result<Self, OriginError> {
        let wrong = |why| Err(OriginError::NotABase(url.to_owned(), why));
        let Ok(uri) = url.parse::<Uri>() else { return wrong("it is no URL") };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return wrong("it lacks a scheme or a host");
        };
        if authority.as_str().contains('@') {
            return wrong("it must not hold a user name");
        }
        if uri.query().is_some() || url.contains('#') {
            return wrong("it must not have a query or a fragment");
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let tls = match scheme {
            "https" => match ServerName::try_from(host.to_owned()) {
                Ok(name) => Some(name),
                Err(_) => return wrong("its host is neither a name nor an address"),
            },
            "http" if insecure || is_loopback(host) => None,
            "http" => return Err(OriginError::Cleartext(url.to_owned())),
            _ => return wrong("its scheme is neither https nor http"),
        };
        let usual = authority::port_of(scheme);
        let port = authority.port_u16().unwrap_or(usual);
        let authority = authority::plain(scheme, authority);
        let base = format!("{scheme}://{authority}{prefix}");
        let spelled_out =
            authority.port().is_none().then(|| format!("{scheme}://{authority}:{usual}{prefix}"));
        let Ok(host_field) = HeaderValue::try_from(authority.as_str()) else {
            return wrong("its host is no header field");
        };
        Ok(Self { authority, port, host_field, prefix, base, spelled_out, tls })
    }

    /// The base URL, without a slash at its end, and without the port of its scheme.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Its path, without a slash at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What stands behind the base in a URL that is it or below it, with the port of the scheme or without.
    pub fn rest_of<'u>(&self, url: &'u str) -> Option<&'u str> {
        [Some(&self.base), self.spelled_out.as_ref()].into_iter().flatten().find_map(|base| {
            let (start, rest) = url.split_at_checked(base.len())?;
            let below = rest.is_empty() || rest.starts_with(['/', '?']);
            (below && start.eq_ignore_ascii_case(base)).then_some(rest)
        })
    }

    /// The field `Host` upstream.
    pub fn host_field(&self) -> &HeaderValue {
        &self.host_field
    }

    /// What `Host` says upstream.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port; that of the scheme where none is given.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name that the certificate must have; nothing for cleartext.
    pub fn tls(&self) -> Option<&ServerName<'static>> {
        self.tls.as_ref()
    }

    /// The target for a path below the base.
    pub fn target<'p>(&self, path: &'p str) -> Cow<'p, str> {
        if self.prefix.is_empty() { path.into() } else { [self.prefix.as_str(), path].concat().into() }
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        for (url, base, host, port, tls) in [
            ("https://graph.microsoft.com", "https://graph.microsoft.com", "graph.microsoft.com", 443, true),
            (
                "https://proxy.example:8443/graph/",
                "https://proxy.example:8443/graph",
                "proxy.example",
                8443,
                true,
            ),
            ("http://127.0.0.1:99", "http://127.0.0.1:99", "127.0.0.1", 99, false),
            ("http://[::1]:99/", "http://[::1]:99", "::1", 99, false),
            ("http://localhost", "http://localhost", "localhost", 80, false),
            ("https://proxy.example:443/graph", "https://proxy.example/graph", "proxy.example", 443, true),
            ("http://[::1]:80", "http://[::1]", "::1", 80, false),
        ] {
            let origin = Origin::parse(url, false).unwrap();
            assert_eq!(
                (origin.base(), origin.host(), origin.port(), origin.tls().is_some()),
                (base, host, port, tls)
            );
            assert_eq!(origin.host_field(), origin.authority().as_str());
        }
        for url in [
            "",
            "graph.microsoft.com",
            "ftp://x",
            "https://",
            "https://a@b",
            "https://a/?q",
            "https://a/#f",
            "http://10.0.0.1",
            "http://127.0.0.1.example",
        ] {
            assert!(Origin::parse(url, false).is_err(), "{url}");
        }
        assert!(Origin::parse("http://10.0.0.1", true).is_ok());
        for cloud in Cloud::ALL {
            assert!(Origin::of_cloud(cloud).is_ok());
        }
    }
}
