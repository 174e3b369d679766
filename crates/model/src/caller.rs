//! Who sends a request, as far as it is known.

/// The sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// What the request brings for Graph. It passes through and is opaque to the gateway.
    pub credential: Credential,
}

/// What stands in a request's `Authorization` (RFC 6750). Finding it out refuses nothing: admission does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// One bearer token.
    Bearer,
    /// No `Authorization` at all.
    Missing,
    /// More than one.
    Several,
    /// A scheme other than `Bearer`.
    OtherScheme,
    /// `Bearer` with nothing, or no token, behind it.
    Malformed,
}
