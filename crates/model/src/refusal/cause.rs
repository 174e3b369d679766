//! What a refusal was for, in one word of a closed set: of a code that has several causes this tells which it was. It is for
//! the log, so nothing of the request is in it.

use super::{CredentialFault, FramingFault, HostFault, Misdirection, RecordFault, Refusal};

impl Refusal {
    /// The word.
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Framing(fault) => fault.cause(),
            Self::Host(HostFault::Missing) => "host_missing",
            Self::Host(HostFault::Several) => "several_hosts",
            Self::Host(HostFault::Malformed) => "host_malformed",
            Self::Misdirected(Misdirection::AbsoluteForm) => "absolute_target",
            Self::Misdirected(Misdirection::OtherHost) => "other_host",
            Self::TargetTooLong(_) => "target_too_long",
            Self::TargetForm => "target_form",
            Self::NearMiss(_) => "other_spelling",
            Self::UnknownRoute(_) => "unknown_route",
            Self::Method(_) => "method",
            Self::QueryOnEdit => "query_on_update",
            Self::Credential(CredentialFault::Missing) => "credential_missing",
            Self::Credential(CredentialFault::Several) => "several_credentials",
            Self::Credential(CredentialFault::OtherScheme) => "credential_scheme",
            Self::Credential(CredentialFault::Malformed) => "credential_malformed",
            Self::HeadersTooLarge { .. } => "headers_too_large",
            Self::OverridingHeader(_) => "overriding_header",
            Self::Looped => "looped",
            Self::MissingHeader(_) => "missing_header",
            Self::Expectation => "expectation",
            Self::BodyOnRead => "body_on_read",
            Self::MediaType => "media_type",
            Self::ContentCoding => "content_coding",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::BodyBroken => "body_broken",
            Self::Violations(_) => "violations",
            Self::Overloaded => "overloaded",
            Self::Unrecorded(RecordFault::Unwritable) => "record_unwritable",
            Self::Unrecorded(RecordFault::Busy) => "record_busy",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::UpstreamUnusable => "upstream_coding",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamBroken => "upstream_broken",
            Self::CallerGone => "caller_gone",
        }
    }
}

impl FramingFault {
    const fn cause(self) -> &'static str {
        match self {
            Self::RequestLine => "request_line",
            Self::Fragment => "target_fragment",
            Self::TargetCharacter => "target_character",
            Self::BareLineFeed => "bare_line_feed",
            Self::FoldedLine => "folded_line",
            Self::FieldName => "field_name",
            Self::FieldValue => "field_value",
            Self::SeveralLengths => "several_lengths",
            Self::Length => "length",
            Self::LengthAndEncoding => "length_and_encoding",
            Self::TransferEncoding => "transfer_encoding",
            Self::OutOfStep => "out_of_step",
        }
    }
}
