//! Which values of an edit stand on record: as they are, as a keyed hash, or not at all.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use patchgate_model::Recordable;
use sha2::Sha256;

use crate::chain::Hash;
use crate::json::Members;

/// How a field's value stands on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// As it is, in `edit`.
    #[default]
    Value,
    /// As a keyed hash, in `hashed`: whoever has the key can tell whether a value was this one.
    Hash,
    /// Not at all; the field's name stands in `omitted`.
    Omit,
}

/// The key of the hashes. It is not shown by `Debug`.
#[derive(Clone)]
pub struct HashKey(Hmac<Sha256>);

/// A key too short to keep guessed values apart from the real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of hashed audit fields has {0} bytes; it needs at least 16, drawn at random")]
pub struct ShortKey(pub usize);

impl HashKey {
    /// Takes a secret of at least 16 bytes over.
    pub fn new(secret: &[u8]) -> Result<Self, ShortKey> {
        if secret.len() < 16 {
            return Err(ShortKey(secret.len()));
        }
        Hmac::new_from_slice(secret).map(Self).map_err(|_| ShortKey(secret.len()))
    }

    /// HMAC-SHA-256 (RFC 2104) over the field's name, a zero byte, and the value as canonical JSON.
    pub fn hash(&self, field: &str, value: &[u8]) -> Hash {
        let mut mac = self.0.clone();
        mac.update(field.as_bytes());
        mac.update(&[0]);
        mac.update(value);
        Hash(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

/// The rule for each field. Fields without one stand as they are.
#[derive(Debug, Clone, Default)]
pub struct FieldRules {
    keep: BTreeMap<String, Keep>,
    key: Option<HashKey>,
}

/// A rule that can't be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field '{0}' is to be recorded as a hash, and there is no key; give one, or use \"omit\"")]
pub struct NoKey(pub String);

impl FieldRules {
    /// Rules by the names of fields. A key is needed where one of them is [`Keep::Hash`].
    pub fn new(keep: BTreeMap<String, Keep>, key: Option<HashKey>) -> Result<Self, NoKey> {
        match keep.iter().find(|(_, keep)| **keep == Keep::Hash) {
            Some((field, _)) if key.is_none() => Err(NoKey(field.clone())),
            _ => Ok(Self { keep, key }),
        }
    }

    /// Writes the members `edit`, `hashed` and `omitted`, the last two only where there are such fields.
    pub(crate) fn write(&self, members: &mut Members<'_>, edit: &dyn Recordable) {
        if self.keep.values().all(|keep| *keep == Keep::Value) {
            members.raw("edit", edit.document());
            return;
        }
        let mut hashed = Vec::new();
        let mut omitted = Vec::new();
        members.object("edit", |members| {
            edit.each_field(&mut |name, value| match (self.keep.get(name), &self.key) {
                (None | Some(Keep::Value), _) => _ = members.raw(name, value),
                (Some(Keep::Hash), Some(key)) => {
                    hashed.push((name.to_owned(), format!("hmac-sha256:{}", key.hash(name, value))));
                }
                (Some(Keep::Hash | Keep::Omit), _) => omitted.push(name.to_owned()),
            });
        });
        if !hashed.is_empty() {
            members.object("hashed", |members| {
                for (name, hash) in &hashed {
                    members.text(name, hash);
                }
            });
        }
        if !omitted.is_empty() {
            members.texts("omitted", omitted.iter().map(String::as_str));
        }
    }
}
