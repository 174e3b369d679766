//! An upstream behind TLS, and certificates for it: good ones, and those that must not be accepted.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConnection, StreamOwned, SupportedProtocolVersion};

use crate::upstream::{Arrived, PLAIN};

/// How long a test waits for what should come; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection whose handshake is done.
pub type Session = StreamOwned<ServerConnection, TcpStream>;

/// What an upstream does with a request: it writes an answer, and says whether to keep the connection.
type Answer = dyn Fn(&Arrived, &mut Session) -> bool + Send + Sync;

/// An authority that signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    chain: Vec<CertificateDer<'static>>,
    pem: String,
}

/// What a server shows: its certificate with those above it, and the key to it.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    pem: String,
}

/// The parameters of a server's certificate for these names or addresses.
pub fn leaf(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names of a certificate");
    params.distinguished_name.push(DnType::CommonName, "upstream of a test");
    params
}

/// The parameters of an authority's certificate.
pub fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Authority {
    /// A root with a key of its own.
    pub fn root(name: &str) -> Self {
        let (key, params) = (KeyPair::generate().expect("a key"), authority(name));
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), chain: Vec::new(), pem }
    }

    /// One below this; what it signs is only good where its own parameters say that it may sign.
    #[must_use]
    pub fn below(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let mut chain = vec![certificate.der().clone()];
        chain.extend_from_slice(&self.chain);
        Self { issuer: Issuer::new(params, key), chain, pem: certificate.pem() }
    }

    /// A server's certificate.
    pub fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let mut chain = vec![certificate.der().clone()];
        chain.extend_from_slice(&self.chain);
        Identity { chain, key, pem: certificate.pem() }
    }

    /// Its certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

impl Identity {
    /// One that signed itself.
    pub fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { chain: vec![certificate.der().clone()], key, pem: certificate.pem() }
    }

    /// Its certificate alone.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The key to it.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The configuration of a server that shows it, to callers who show a certificate of that authority's.
    pub fn server_for(&self, callers: &Authority) -> ServerConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(callers.pem().as_bytes()).expect("a certificate");
        roots.add(root).expect("an authority");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the versions")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(self.chain.clone(), self.der())
            .expect("the key of the certificate")
    }

    fn der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()))
    }

    /// The configuration of a server that shows it, and speaks these versions.
    pub fn server(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .expect("the versions")
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.der())
            .expect("the key of the certificate")
    }
}

/// An upstream behind TLS on a free port of loopback; it lives as long as the test's process.
#[derive(Debug)]
pub struct TlsUpstream {
    /// Where it listens.
    pub port: u16,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    arrived: Vec<Arrived>,
    handshakes: Vec<Handshake>,
}

/// How a handshake ended: the name that was asked for, or what went wrong.
pub type Handshake = Result<Option<String>, String>;

impl TlsUpstream {
    /// One that shows a certificate, speaks all versions, and answers each request with 200 and `{}`.
    pub fn showing(identity: &Identity) -> Self {
        Self::start(identity.server(rustls::ALL_VERSIONS))
    }

    /// The same with a configuration.
    pub fn start(config: ServerConfig) -> Self {
        Self::answering(config, |_, session| session.write_all(PLAIN).is_ok())
    }

    /// One that does as it is told.
    pub fn answering(
        config: ServerConfig,
        answer: impl Fn(&Arrived, &mut Session) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::<Seen>::default();
        let (kept, config, answer): (_, _, Arc<Answer>) =
            (Arc::clone(&seen), Arc::new(config), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, config, answer) = (Arc::clone(&kept), Arc::clone(&config), Arc::clone(&answer));
                thread::spawn(move || serve(stream, config, &kept, &*answer));
            }
        });
        Self { port, seen }
    }

    /// All requests that arrived so far.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.seen.lock().arrived.clone()
    }

    /// How all handshakes ended, as soon as there are that many.
    pub fn handshakes(&self, count: usize) -> Vec<Handshake> {
        let too_few = |state: &mut State| state.handshakes.len() < count;
        let (state, waited) = self
            .seen
            .more
            .wait_timeout_while(self.seen.lock(), PATIENCE, too_few)
            .expect("no panic in the upstream");
        assert!(!waited.timed_out(), "only {} of {count} handshakes", state.handshakes.len());
        state.handshakes.clone()
    }
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic in the upstream")
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, seen: &Seen, answer: &Answer) {
    let connection = ServerConnection::new(config).expect("the configuration");
    let mut session = StreamOwned::new(connection, stream);
    let shaken = session.conn.complete_io(&mut session.sock);
    let handshake =
        shaken.map(|_| session.conn.server_name().map(str::to_owned)).map_err(|error| error.to_string());
    let failed = handshake.is_err();
    seen.lock().handshakes.push(handshake);
    seen.more.notify_all();
    if failed {
        return;
    }
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut session, &mut buffer) {
        seen.lock().arrived.push(request.clone());
        if !answer(&request, &mut session) {
            return;
        }
    }
}

fn read(session: &mut Session, buffer: &mut Vec<u8>) -> Option<Arrived> {
    let mut bytes = [0; 16 * 1024];
    loop {
        if let Some((head, mut request)) = parse(buffer) {
            let length = request.header("content-length").map_or(0, |value| value.parse().expect("a length"));
            if buffer.len() >= head + length {
                buffer.drain(..head);
                request.body = buffer.drain(..length).collect();
                return Some(request);
            }
        }
        let count = session.read(&mut bytes).ok().filter(|count| *count > 0)?;
        buffer.extend_from_slice(&bytes[..count]);
    }
}

/// A request without its body, and the length of its head; nothing, if that is not whole.
fn parse(buffer: &[u8]) -> Option<(usize, Arrived)> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(buffer).expect("the gateway sends HTTP/1.1") else {
        return None;
    };
    let field = |h: &httparse::Header<'_>| {
        (h.name.to_ascii_lowercase(), String::from_utf8(h.value.to_vec()).expect("ASCII fields"))
    };
    let request = Arrived {
        method: parsed.method.expect("a method").to_owned(),
        target: parsed.path.expect("a target").to_owned(),
        headers: parsed.headers.iter().map(field).collect(),
        body: Vec::new(),
    };
    Some((head, request))
}
