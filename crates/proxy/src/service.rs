//! What a service manager is told: systemd, where it asked to be (`Type=notify`). Elsewhere nobody listens.

/// What becomes of the process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum State {
    /// Requests are accepted, with the configuration that was read last.
    Ready,
    /// The configuration is being read again.
    Reloading,
    /// The end has begun.
    Stopping,
}

/// Tells it.
#[cfg(unix)]
pub(crate) fn tell(state: State) {
    use sd_notify::NotifyState;

    let told = match state {
        State::Ready => sd_notify::notify(&[NotifyState::Ready]),
        // With the time, without which `Type=notify-reload` does not take it.
        State::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    };
    if let Err(error) = told {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

/// There is no such manager here.
#[cfg(not(unix))]
pub(crate) fn tell(_: State) {}
