# Each recipe is a cargo command that works without `just`.

# What the gate checks, without the parts that need other programs.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace

test:
    cargo test --workspace

# The tests that are ignored because they take long: minutes of load and of waiting, 10,000 connections, a gigabyte.
long:
    cargo test --package patchgate-tests --test soak --test numbers --test memory --test descriptors --test cli -- --ignored

# The tests that are ignored because they need something: root, openssl, curl, Graph's SDKs. Each says what, and fails without it.
needing:
    cargo test --package patchgate-tests --test audit_failures --test audit_settings --test addresses --test config --test docs -- --ignored

# Run on the embedded Graph.
run:
    cargo run --release

# Derive the shipped schemas anew from the documentation page at PAGE; read the difference before you commit it.
schema PAGE:
    cargo run --quiet -- schema derive {{PAGE}} --version v1.0,beta --permission SecurityIncident.ReadWrite.All --cloud global,us-gov-l4,us-gov-l5 --output schemas/security-incident-update.json
    cargo run --quiet -- schema derive {{PAGE}} --version v1.0,beta --permission SecurityIncident.ReadWrite.All --cloud global,us-gov-l4,us-gov-l5 --overlay schemas/overlays/security-incident-update.toml --output schemas/security-incident-update.corrected.json

# Accept changed snapshots; read the difference before you commit it.
bless:
    INSTA_UPDATE=always cargo test --workspace

# Kill the gateway KILLS times under load, and a fifth as often with `durability = "relaxed"`; a thousand take a quarter of an hour.
crash KILLS="1000":
    PATCHGATE_CRASH_KILLS={{KILLS}} cargo test --package patchgate-tests --test crash -- --ignored --nocapture

deny:
    cargo deny --offline check bans licenses sources

# The parts that decide, each alone.
bench:
    cargo bench --package patchgate-validator --package patchgate-proxy

# Whether a journal with `durability = "relaxed"` takes 20,000 and 30,000 edits a second on the disk of DIRECTORY, and what it takes at most.
bench-relaxed DIRECTORY:
    cargo bench --package patchgate-journal --bench relaxed -- {{DIRECTORY}}

# CPU per request beside nginx and a plain proxy; memory, cold start, size. Needs two cores; installs nginx and wrk.
bench-cost *ARGS:
    cargo run --release --package patchgate-cost --features plain -- cost {{ARGS}}
    cargo run --release --package patchgate-cost --features plain -- rest
