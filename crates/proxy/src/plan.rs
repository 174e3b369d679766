//! A configuration, found to be whole: all that can be known of it before anything is opened.
//!
//! `config check`, the start and each reload make a plan; what it accepts, a start fails on only because of the machine: a
//! port in use, a store without certificates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use patchgate_model::Generation;
use rustls::ClientConfig;

use crate::config::{Config, Draft, Fault, Faults, Loaded, layers};
use crate::ruleset::Ruleset;
use crate::ruleset::build::{self, BuildError, BuildErrors};
use crate::upstream::Origin;
use crate::upstream::origin::OriginError;
use crate::upstream::roots;

/// What a configuration comes to.
#[derive(Debug)]
pub struct Plan {
    /// The configuration.
    pub loaded: Loaded,
    /// Its rules.
    pub rules: Ruleset,
    /// The upstream; nothing means the embedded one.
    pub origin: Option<Origin>,
    /// The trust in the certificates of `upstream.roots`, where it is needed and set.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Plan {
    /// Finds out what a configuration means, or all that is wrong with it. Reads the schemas and certificates it names.
    pub fn of(draft: Draft, generation: Generation) -> Result<Self, Faults> {
        let Draft { loaded, mut faults } = draft;
        let readable = faults.is_empty();
        let config = &loaded.config;
        let rules = build::build(config, generation).map_err(|BuildErrors(errors)| {
            // A guard that could not be read is none, and that has been said.
            let errors = errors.iter().filter(|(_, error)| readable || !matches!(error, BuildError::NoGuard));
            faults.extend(errors.map(|(key, error)| {
                let mut fault = loaded.fault(key, error.to_string());
                fault.elsewhere = error.excerpt();
                error.help().into_iter().fold(fault, Fault::help)
            }));
        });
        let origin = origin(config).map_err(|error| {
            let fault = loaded.fault("upstream.url", error.to_string());
            faults.push(match error {
                OriginError::Cleartext(_) => fault.help("use https, or set upstream.insecure = true"),
                OriginError::NotABase(..) => {
                    fault.help("expected a base URL, such as \"https://graph.microsoft.com\"")
                }
            });
        });
        if let (Ok(rules), Ok(Some(origin))) = (&rules, &origin) {
            faults.extend(repeated(&loaded, rules, origin));
        }
        // The admin listener, too: it would be given the tokens.
        let own = [("listen.address", config.listen.address), ("admin.address", config.admin.address)];
        if let Ok(Some(origin)) = &origin
            && let Some((key, _)) = own.into_iter().find(|(_, address)| is_itself(origin, *address))
        {
            let error = format!("'{}' is this gateway itself ({key})", origin.base());
            faults.push(loaded.fault("upstream.url", error).help("name Graph, or what stands before it"));
        }
        let uses_tls = matches!(&origin, Ok(Some(origin)) if origin.tls().is_some());
        let file = roots_file(config);
        // A file that is named is looked at, needed or not: it would be the first surprise of the next change.
        let tls = file.map(|file| roots::client_config(Some(&file))).transpose().map_err(|error| {
            let fault = loaded.fault("upstream.roots", error.to_string());
            faults.push(
                fault.help("name a PEM file with the certificates of those who may vouch for the upstream"),
            );
        });
        match (rules, origin, tls) {
            (Ok(rules), Ok(origin), Ok(tls)) if faults.is_empty() => {
                Ok(Self { rules, origin, tls: tls.filter(|_| uses_tls), loaded })
            }
            _ => Err(Faults::of(loaded.document, faults)),
        }
    }
}

/// The files that a configuration names, itself included.
pub fn files(loaded: &Loaded) -> Vec<PathBuf> {
    let config = &loaded.config;
    let mut files: Vec<PathBuf> = loaded.document.iter().map(|document| document.path.clone()).collect();
    files.extend(config.guards.iter().filter_map(|guard| build::schema_file(&guard.schema, &config.folder)));
    files.extend(config.audit.hash_key.as_ref().map(|file| config.folder.join(file)));
    files.extend(roots_file(config));
    files
}

/// The file of `upstream.roots`.
pub fn roots_file(config: &Config) -> Option<PathBuf> {
    config.upstream.roots.as_ref().map(|file| config.folder.join(file))
}

/// That the upstream's path ends with what the path of each request begins with: it would be there twice, and Graph would
/// know none of them.
fn repeated(loaded: &Loaded, rules: &Ruleset, origin: &Origin) -> Option<Fault> {
    let (_, last) = origin.prefix().rsplit_once('/')?;
    let (rest, _) = origin.base().rsplit_once('/')?;
    let version = rules.versions().find(|version| version.eq_ignore_ascii_case(last))?;
    let message = format!(
        "the path of each request has its version already, and would go to '{}/{version}/…'",
        origin.base()
    );
    Some(loaded.fault("upstream.url", message).help(format!("write \"{rest}\"")))
}

/// Whether an upstream is surely what listens here. A name could lead anywhere, and so could an address that is another
/// machine's; what leads back in other ways is found by its first request.
fn is_itself(origin: &Origin, listen: SocketAddr) -> bool {
    let Ok(mut address) = origin.host().parse::<IpAddr>() else { return false };
    // To connect to no address is to connect to this machine.
    if address.is_unspecified() {
        address = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    }
    let here = address == listen.ip() || (address.is_loopback() && layers::takes(listen.ip(), address));
    here && listen.port() != 0 && listen.port() == origin.port()
}

fn origin(config: &Config) -> Result<Option<Origin>, OriginError> {
    let upstream = &config.upstream;
    match (upstream.cloud, &upstream.url) {
        (Some(cloud), _) => Origin::of_cloud(cloud).map(Some),
        (None, Some(url)) => Origin::parse(url.expose(), upstream.insecure).map(Some),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_that_is_surely_the_gateway_itself() {
        for (listen, url, itself) in [
            ("127.0.0.1:4080", "http://127.0.0.1:4080/graph", true),
            ("127.0.0.1:4080", "http://127.0.0.1:4081", false),
            ("127.0.0.1:4080", "http://127.0.0.2:4080", false),
            ("127.0.0.1:80", "http://127.0.0.1", true),
            ("[::1]:4080", "http://[::1]:4080", true),
            ("0.0.0.0:4080", "http://127.0.0.2:4080", true),
            ("0.0.0.0:4080", "http://10.0.0.1:4080", false),
            ("0.0.0.0:4080", "http://[::1]:4080", false),
            ("10.0.0.1:4080", "http://10.0.0.1:4080", true),
            ("[::]:4080", "http://127.0.0.1:4080", true),
            ("[::]:4080", "http://[::1]:4080", true),
            ("127.0.0.1:4080", "http://0.0.0.0:4080", true),
            ("10.0.0.1:4080", "http://0.0.0.0:4080", false),
            ("127.0.0.1:4080", "http://localhost:4080", false),
            ("127.0.0.1:0", "http://127.0.0.1:4080", false),
        ] {
            let origin = Origin::parse(url, true).unwrap();
            assert_eq!(is_itself(&origin, listen.parse().unwrap()), itself, "{listen} {url}");
        }
    }
}
