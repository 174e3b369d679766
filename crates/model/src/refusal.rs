//! Refusals: every "no" of the gateway, with its status, its code and its sentence. One table.
//!
//! A new kind of refusal is a new variant, and the compiler asks for its row in each `match`: there is no wildcard here.

mod cause;

use std::sync::Arc;

use crate::quote::Quoted;
use crate::violation::{Violation, Violations};

/// Why a request was refused, or could not be answered by Graph.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// The request is framed in a way that readers of HTTP do not agree on.
    Framing(FramingFault),
    /// The `Host` is missing, several or no authority (RFC 9112, 3.2).
    Host(HostFault),
    /// The target is in absolute form, or `Host` is not this gateway's.
    Misdirected(Misdirection),
    /// The target is longer than its route allows; the limit in bytes.
    TargetTooLong(usize),
    /// The target is no path: `*` or an authority.
    TargetForm,
    /// The target is another spelling of a route; this is the canonical one.
    NearMiss(String),
    /// The target matches no route; these do.
    UnknownRoute(Arc<[String]>),
    /// The path is known, the method is not; the value of `Allow`.
    Method(&'static str),
    /// An edit with a query.
    QueryOnEdit,
    /// No usable bearer token.
    Credential(CredentialFault),
    /// More header fields or bytes than accepted; the limits.
    HeadersTooLarge {
        /// The most header lines.
        lines: usize,
        /// The most bytes of all header lines.
        bytes: usize,
    },
    /// A header that would override method or URL behind the gateway.
    OverridingHeader(&'static str),
    /// It has been here before.
    Looped,
    /// A header that this update needs.
    MissingHeader(String),
    /// `Expect` with anything but `100-continue`.
    Expectation,
    /// A read with a body.
    BodyOnRead,
    /// `Content-Type` is not JSON.
    MediaType,
    /// `Content-Encoding` of any kind.
    ContentCoding,
    /// The body is larger than accepted; the limit in bytes.
    BodyTooLarge(usize),
    /// The body did not come in time.
    BodyTimeout,
    /// The body broke off, or its framing is wrong.
    BodyBroken,
    /// The body breaks the schema.
    Violations(Violations),
    /// The gateway has as much to do as it may; nothing was sent.
    Overloaded,
    /// The edit could not be put on record; nothing was sent.
    Unrecorded(RecordFault),
    /// No connection to Graph; nothing was sent.
    UpstreamUnreachable,
    /// Something was sent, and no whole answer came: the edit may have been applied.
    OutcomeUnknown,
    /// Graph's answer to a read cannot be used.
    UpstreamUnusable,
    /// Graph did not answer a read in time.
    UpstreamTimeout,
    /// A read was sent and the connection broke before an answer came.
    UpstreamBroken,
    /// The caller reset the connection before its read was answered. Nobody gets this; log and trace say it.
    CallerGone,
}

/// Why an edit could not be put on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFault {
    /// The audit record cannot be written. Why is the operator's matter; it stands in the log and in `/readyz`.
    Unwritable,
    /// As many edits are in flight as the record takes.
    Busy,
}

/// What is wrong with the framing of a request (RFC 9112). The connection is closed behind the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramingFault {
    /// The request line is not method, target and version with one space between them.
    RequestLine,
    /// The target has a fragment.
    Fragment,
    /// The target has a character that must be encoded.
    TargetCharacter,
    /// A line ends with LF alone.
    BareLineFeed,
    /// A field goes on on the next line.
    FoldedLine,
    /// A field's name is no token, or has an underscore, which some servers read as a dash.
    FieldName,
    /// A field's value has a control character.
    FieldValue,
    /// There is more than one `Content-Length`.
    SeveralLengths,
    /// `Content-Length` is not a number.
    Length,
    /// `Content-Length` and `Transfer-Encoding` stand together.
    LengthAndEncoding,
    /// `Transfer-Encoding` is not one `chunked`.
    TransferEncoding,
    /// It cannot be told where the request began.
    OutOfStep,
}

impl FramingFault {
    const fn message(self) -> &'static str {
        match self {
            Self::RequestLine => "the request line is not 'METHOD target HTTP/1.1' with single spaces",
            Self::Fragment => "the request target has a '#'; a fragment is never sent",
            Self::TargetCharacter => "the request target has a character that must be percent-encoded",
            Self::BareLineFeed => "a line of the request header ends with LF alone; send CR LF",
            Self::FoldedLine => "a header field goes on on the next line; send it on one line",
            Self::FieldName => "the name of a header field is not a token without underscores",
            Self::FieldValue => "a header field has a control character",
            Self::SeveralLengths => "the request has several 'Content-Length' headers; send exactly one",
            Self::Length => "the 'Content-Length' header is not a number of bytes",
            Self::LengthAndEncoding => {
                "the request has both 'Content-Length' and 'Transfer-Encoding'; send one of them"
            }
            Self::TransferEncoding => "the 'Transfer-Encoding' header is not a single 'chunked'",
            Self::OutOfStep => "it cannot be told where this request began; send it on a new connection",
        }
    }
}

/// What is wrong with `Host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFault {
    /// There is none.
    Missing,
    /// There are several.
    Several,
    /// It is no authority.
    Malformed,
}

/// How a request was misdirected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misdirection {
    /// The target is a whole URL, as one sends to a forward proxy.
    AbsoluteForm,
    /// `Host` names another host than `listen.public_url`.
    OtherHost,
}

/// What is wrong with `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialFault {
    /// There is none.
    Missing,
    /// There are several.
    Several,
    /// The scheme is not `Bearer`.
    OtherScheme,
    /// There is no token behind `Bearer`.
    Malformed,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Framing(_)
            | Self::Host(_)
            | Self::TargetForm
            | Self::NearMiss(_)
            | Self::QueryOnEdit
            | Self::OverridingHeader(_)
            | Self::Looped
            | Self::MissingHeader(_)
            | Self::Expectation
            | Self::BodyOnRead
            | Self::BodyBroken
            | Self::Violations(_) => 400,
            Self::Credential(_) => 401,
            Self::UnknownRoute(_) => 404,
            Self::Method(_) => 405,
            Self::BodyTimeout => 408,
            Self::BodyTooLarge(_) => 413,
            Self::TargetTooLong(_) => 414,
            Self::MediaType | Self::ContentCoding => 415,
            Self::Misdirected(_) => 421,
            Self::HeadersTooLarge { .. } => 431,
            Self::UpstreamUnreachable
            | Self::OutcomeUnknown
            | Self::UpstreamUnusable
            | Self::UpstreamBroken => 502,
            Self::CallerGone => 499,
            Self::Overloaded | Self::Unrecorded(_) => 503,
            Self::UpstreamTimeout => 504,
        }
    }

    /// The `code` of Graph's error envelope; also the label of metrics and the `error.type` of spans.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Framing(_)
            | Self::Host(_)
            | Self::TargetForm
            | Self::NearMiss(_)
            | Self::QueryOnEdit
            | Self::OverridingHeader(_)
            | Self::Looped
            | Self::MissingHeader(_)
            | Self::Expectation
            | Self::BodyOnRead
            | Self::BodyBroken
            | Self::Violations(_) => "BadRequest",
            Self::Credential(_) => "InvalidAuthenticationToken",
            Self::UnknownRoute(_) => "ResourceNotFound",
            Self::Method(_) => "MethodNotAllowed",
            Self::BodyTimeout => "RequestTimeout",
            Self::BodyTooLarge(_) => "RequestTooLarge",
            Self::TargetTooLong(_) => "UriTooLong",
            Self::MediaType | Self::ContentCoding => "UnsupportedMediaType",
            Self::Misdirected(_) => "MisdirectedRequest",
            Self::HeadersTooLarge { .. } => "HeadersTooLarge",
            Self::UpstreamUnreachable => "UpstreamUnreachable",
            Self::OutcomeUnknown => "OutcomeUnknown",
            Self::UpstreamUnusable | Self::UpstreamBroken => "UpstreamUnusable",
            Self::CallerGone => "CallerGone",
            Self::Overloaded | Self::Unrecorded(_) => "ServiceUnavailable",
            Self::UpstreamTimeout => "UpstreamTimeout",
        }
    }

    /// The sentence for the caller: what happened and what to do.
    pub fn message(&self) -> String {
        match self {
            Self::Framing(fault) => fault.message().to_owned(),
            Self::Host(HostFault::Missing) => "the request has no 'Host' header; send exactly one".to_owned(),
            Self::Host(HostFault::Several) => "the request has several 'Host' headers; send exactly one".to_owned(),
            Self::Host(HostFault::Malformed) => "the 'Host' header is not a host name with an optional port".to_owned(),
            Self::Misdirected(Misdirection::AbsoluteForm) => {
                "the request target is a whole URL; this gateway is no forward proxy: use its address as the base URL and send the path alone".to_owned()
            }
            Self::Misdirected(Misdirection::OtherHost) => {
                "the 'Host' header does not name this gateway; use the public URL of the gateway as the base URL".to_owned()
            }
            Self::TargetTooLong(limit) => format!("the request target is longer than {limit} bytes"),
            Self::TargetForm => "the request target is not a path; it must begin with '/'".to_owned(),
            Self::NearMiss(canonical) => {
                format!("the request target is another spelling of '{}'; send exactly that", Quoted(canonical))
            }
            Self::UnknownRoute(routes) => {
                format!("this gateway has no such route. What it has: {}", routes.join("; "))
            }
            Self::Method(allow) => format!("this route does not take that method; allowed: {allow}"),
            Self::QueryOnEdit => "an update takes no query; remove everything from '?' on".to_owned(),
            Self::Credential(CredentialFault::Missing) => {
                "the request has no 'Authorization' header; send 'Authorization: Bearer {token}'. Graph SDKs attach their token only to hosts they are told of: add this gateway to the allowed (custom) hosts of the authentication provider; some never send it over http".to_owned()
            }
            Self::Credential(CredentialFault::Several) => {
                "the request has several 'Authorization' headers; send exactly one".to_owned()
            }
            Self::Credential(CredentialFault::OtherScheme) => {
                "the scheme of the 'Authorization' header is not 'Bearer'; send 'Authorization: Bearer {token}'".to_owned()
            }
            Self::Credential(CredentialFault::Malformed) => {
                "the 'Authorization' header holds no token; send 'Authorization: Bearer {token}'".to_owned()
            }
            Self::HeadersTooLarge { lines, bytes } => {
                format!("the request header has more than {lines} lines or {bytes} bytes")
            }
            Self::OverridingHeader(name) => {
                format!("the header '{name}' could change method or URL behind this gateway; remove it")
            }
            Self::Looped => {
                "this request has come through this gateway before, its 'Via' says: what the gateway has as upstream leads back to it. Who runs it must set upstream.url to Graph".to_owned()
            }
            Self::MissingHeader(name) => format!("this update needs the header '{name}'"),
            Self::Expectation => "the only expectation that is understood is '100-continue'".to_owned(),
            Self::BodyOnRead => "a GET takes no body".to_owned(),
            Self::MediaType => {
                "an update must be sent as 'Content-Type: application/json', in UTF-8".to_owned()
            }
            Self::ContentCoding => "the body must not be compressed; send it without 'Content-Encoding'".to_owned(),
            Self::BodyTooLarge(limit) => format!("the body is larger than {limit} bytes"),
            Self::BodyTimeout => "the body did not come in time; nothing was sent to Graph".to_owned(),
            Self::BodyBroken => "the body broke off or its framing is wrong; nothing was sent to Graph".to_owned(),
            Self::Violations(violations) => summary(violations),
            Self::Overloaded => {
                "this gateway has as many requests as it may; nothing was sent to Graph: try again".to_owned()
            }
            Self::Unrecorded(RecordFault::Unwritable) => {
                "this gateway cannot write its audit record, and sends no update without one; nothing was sent to Graph: try again later, or ask who runs the gateway".to_owned()
            }
            Self::Unrecorded(RecordFault::Busy) => {
                "the audit record of this gateway has as many updates in flight as it takes; nothing was sent to Graph: try again".to_owned()
            }
            Self::CallerGone => "the caller was gone before the answer came".to_owned(),
            Self::UpstreamUnreachable => {
                "Graph could not be reached; nothing was sent, so the request can be made again".to_owned()
            }
            Self::OutcomeUnknown => {
                "the update was sent to Graph and no whole answer came: it may have been applied. Read the resource before you send it again".to_owned()
            }
            Self::UpstreamUnusable => {
                "Graph's answer came with a content coding that was not asked for and cannot be passed on".to_owned()
            }
            Self::UpstreamTimeout => "Graph did not answer in time; this was a read, so it can be made again".to_owned(),
            Self::UpstreamBroken => {
                "the connection to Graph broke before an answer came; this was a read, so it can be made again".to_owned()
            }
        }
    }

    /// The violations, where there are any.
    pub fn violations(&self) -> &[Violation] {
        if let Self::Violations(violations) = self { violations.listed() } else { &[] }
    }
}

/// All fields at fault in one sentence, since users of SDKs see this alone. Many problems are told in short.
fn summary(violations: &Violations) -> String {
    let listed = violations.listed();
    if let [one] = listed {
        return one.message();
    }
    let tell = if listed.len() > 5 { Violation::brief } else { Violation::message };
    let said: Vec<String> = listed.iter().map(tell).collect();
    let more = match violations.total() - listed.len() {
        0 => String::new(),
        unlisted => format!("; and {unlisted} more"),
    };
    format!("{} problems in this update: {}{more}", violations.total(), said.join("; "))
}
