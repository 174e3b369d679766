//! The end of the gateway, in two steps.

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drain {
    /// It has not.
    Serving,
    /// Requests are served as ever, but each answer closes its connection.
    Announced,
    /// Nothing new is accepted but what already waits; connections end when nothing has come on them.
    Ending,
}
